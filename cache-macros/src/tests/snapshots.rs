use insta::assert_snapshot;

use super::{pretty, tokens};
use crate::entry;

fn cached(args: &str, item: &str) -> String {
    pretty(&entry::cached(tokens(args), tokens(item)), item.contains("self"))
}

fn invalidates(args: &str, item: &str) -> String {
    pretty(&entry::invalidates(tokens(args), tokens(item)), item.contains("self"))
}

#[test]
fn the_smallest_cached_function() {
    assert_snapshot!(cached(
        r#"resource = "companies_list""#,
        "async fn companies() -> Vec<Company> { load().await }"
    ));
}

#[test]
fn a_cached_method() {
    assert_snapshot!(cached(
        r#"resource = "invoices_list", ttl = 60, scope(company)"#,
        "/// Documented.
        #[must_use]
        pub async fn invoices(&self, filter: &InvoiceFilter, company: i64, username: &str)
            -> Result<Page<Invoice>, AppError>
        {
            self.db.query(company, filter).await
        }"
    ));
}

#[test]
fn a_cached_method_that_looks_at_what_its_thread_has_first() {
    assert_snapshot!(cached(
        r#"resource = "invoices_list", ttl = 60, scope(company), near = "tracked", cache = self.cache"#,
        "async fn invoices(&self, filter: &InvoiceFilter, company: i64) -> Result<Arc<Page>, AppError> {
            self.db.query(company, filter).await
        }"
    ));
}

#[test]
fn a_cached_method_with_every_option() {
    assert_snapshot!(cached(
        r#"
            resource = crate::names::sales,
            ttl = "1h 30m",
            skip(db, username),
            key(filter.page, zone = self.zone.as_str()),
            scope(company = filter.company + 1, region),
            tenant = customer,
            cache = self.cache,
            when = filter.page < 10,
            unless = |page| page.items.is_empty(),
            near = "checked",
            lease = "5s",
            version = 3,
        "#,
        "async fn sales(&self, db: &Db, filter: Filter, region: &str, customer: Id, username: &str) -> Option<Page> {
            db.query(username)
        }"
    ));
}

#[test]
fn a_cached_method_of_many_ids() {
    assert_snapshot!(cached(
        r#"resource = "invoices", each = id in ids, scope(invoice = id.number), key(zone = self.zone), near = "tracked", unless = |row| row.is_draft()"#,
        "async fn invoices(&self, ids: &[Id], mut page: Page, #[cfg(unix)] db: &Db) -> Result<HashMap<Id, Invoice>, AppError> {
            db.query(ids).await
        }"
    ));
}

#[test]
fn a_cached_method_of_many_ids_whose_loads_outlive_their_callers() {
    assert_snapshot!(cached(
        r#"resource = "invoices", each = ids, stale_while_revalidate = "30s", refresh_ahead,
            load_timeout(soft = "200ms", hard = "5s"), negative_ttl = "10s", cache_err = |error| error.is_not_found()"#,
        "async fn invoices(&self, ids: &[Id], zone: String) -> Result<HashMap<Id, Invoice>, AppError> {
            self.db.query(ids, zone).await
        }"
    ));
}

#[test]
fn a_cached_function_of_a_set_of_ids() {
    assert_snapshot!(cached(
        r#"resource = "invoices", each = ids, tags(customer = result.customer, payer)"#,
        "async fn invoices(mut ids: HashSet<i64>, payer: i64) -> Vec<Option<Invoice>> { load(ids, payer).await }"
    ));
}

#[test]
fn a_cached_method_whose_loads_outlive_their_callers() {
    assert_snapshot!(cached(
        r#"
            resource = "news",
            stale_while_revalidate = "30s",
            stale_if_error = GRACE,
            load_timeout(soft = "200ms", hard = LIMIT),
            refresh_ahead,
            jitter = "10%",
            negative_ttl = "off",
            unless = |page| page.items.len() > filter.limit,
        "#,
        "async fn page(&self, filter: &Filter, (mut a, b): (u8, u8), label: &'static str, #[cfg(unix)] path: PathBuf, n: u8)
            -> Result<Page, AppError>
        {
            fn own(&self) {}
            a += b;
            self.db.page(filter, a, label, path).await
        }"
    ));
}

#[test]
fn an_async_trait_method_whose_loads_outlive_their_callers() {
    assert_snapshot!(cached(
        r#"resource = "exchange_rates", stale_while_revalidate, load_timeout"#,
        BY_ASYNC_TRAIT
    ));
}

#[test]
fn a_cached_function_with_closures_about_its_results() {
    assert_snapshot!(cached(
        r#"
            resource = "tokens",
            ttl = |token| token.expires_in / 2,
            cache_err = AppError::is_not_found,
            negative_ttl = "10s",
            load_timeout(hard = "5s"),
        "#,
        "async fn token(client: u32) -> Result<Token, AppError> { fetch(client).await }"
    ));
}

#[test]
fn arguments_with_patterns_and_attributes() {
    assert_snapshot!(cached(
        r#"resource = "companies_list""#,
        "async fn f(
            (b, a): (i32, i32),
            Point { x, y: renamed, .. }: Point,
            _: Db,
            _unused: u8,
            mut n: u64,
            #[cfg(unix)] path: PathBuf,
            #[cfg(unix)] tenant_id: &str,
            r#type: u8,
        ) { #![allow(unused)] }"
    ));
}

#[test]
fn a_half_typed_body_is_left_as_it_is() {
    let expansion = entry::cached(
        tokens(r#"resource = "companies_list""#),
        tokens("async fn f() -> u8 { let x = ; x. }"),
    );
    assert_snapshot!(expansion.to_string());
}

/// What `#[async_trait]` makes of
/// `async fn rate(&self, pair: String, (a, b): (u8, u8), _: Db, username: &str) -> Option<u32> { .. }`.
const BY_ASYNC_TRAIT: &str = "
    fn rate<'life0, 'life1, 'async_trait>(
        &'life0 self, pair: String, __arg2: (u8, u8), __arg3: Db, username: &'life1 str,
    ) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Option<u32>> + ::core::marker::Send + 'async_trait>>
    where 'life0: 'async_trait, 'life1: 'async_trait, Self: 'async_trait
    {
        Box::pin(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Option<u32>> {
                #[allow(unreachable_code)]
                return __ret;
            }
            let __self = self;
            let pair = pair;
            let (a, b) = { let __arg2 = __arg2; __arg2 };
            let __arg3 = __arg3;
            let __ret: Option<u32> = { __self.load(&pair, a + b).await };
            #[allow(unreachable_code)]
            __ret
        })
    }";

#[test]
fn an_async_trait_method() {
    assert_snapshot!(cached(r#"resource = "exchange_rates", key(self.base)"#, BY_ASYNC_TRAIT));
}

#[test]
fn an_async_trait_method_inside_what_another_attribute_made_of_it() {
    let (before, after) = BY_ASYNC_TRAIT.split_once("Box::pin(async move {").expect("it is boxed");
    let (body, after) = after.rsplit_once("})").expect("the box ends");
    let wrapped = format!(
        "{before}::std::boxed::Box::pin(async move {{
            let span = tracing::span!(username = debug(&username));
            let future = async move {{ {body} }};
            Instrument::instrument(future, span).await
        }}){after}"
    );
    assert_snapshot!(cached(r#"resource = "exchange_rates""#, &wrapped));
}

#[test]
fn a_boxed_future_by_hand() {
    assert_snapshot!(cached(
        r#"resource = "exchange_rates""#,
        "fn rate(&self, pair: u8) -> BoxFuture<'_, u32> {
            let half = pair / 2;
            Box::pin(async move { self.load(half).await })
        }"
    ));
}

#[test]
fn a_mutation() {
    assert_snapshot!(invalidates(
        r#""invoice_data"(company), "dashboard_*"(company = invoice.company), "companies_list", on = "always""#,
        "async fn mark_paid(&self, company: i64, invoice: Invoice, tenant_id: &str) -> Result<(), AppError> {
            self.db.pay(invoice).await
        }"
    ));
}

#[test]
fn a_mutation_with_scopes_from_its_result() {
    assert_snapshot!(invalidates(
        r#""sales"(company = result.company, region = self.region), names::other(company = result.company), "companies_list""#,
        "async fn create(&self, new: NewInvoice) -> Result<Invoice, AppError> { self.db.insert(new).await }"
    ));
}

#[test]
fn a_mutation_that_is_detached() {
    assert_snapshot!(invalidates(
        r#""invoices_list"(company), detach"#,
        "async fn pay(self: Arc<Self>, company: i64, #[cfg(unix)] path: PathBuf) -> Result<(), AppError> {
            self.db.pay(company).await
        }"
    ));
}

#[test]
fn a_mutation_with_conditions() {
    assert_snapshot!(invalidates(
        r#"
            "companies_list"(when = amount > 0),
            "invoices_list"(company, when = result.paid),
            "sales"(company = result.company, region = self.region, when = amount > LIMIT),
            "feed"(viewer = None),
        "#,
        "async fn create(&self, company: i64, amount: i64) -> Result<Invoice, AppError> { self.db.insert(amount).await }"
    ));
}

#[test]
fn a_mutation_with_several_scope_values() {
    assert_snapshot!(invalidates(
        r#""feed"(viewer in followers), "sales"(company, region in self.regions.iter().filter(open), when = n > 1), "feed"(viewer in result.readers)"#,
        "async fn publish(&self, company: i64, followers: &[i64], n: u8) -> Result<Post, AppError> { self.db.publish().await }"
    ));
}

#[test]
fn declarations() {
    let input = r#"
        /// Totals shown on the home page.
        dashboard_summary { ttl = "5m", scope(company: i64) }
        sales { ttl = LIMITS.sales, scope(company: i64, region: String) }
        exchange_rates { tenant = shared, crash_safe }
        treasury { crash_safe, settle = "500ms", max_loads = 2 }
        feed { scope(viewer: Option<i64>, region: String, locale: Option<String>) }
        news {
            stale_while_revalidate = "30s",
            stale_if_error = GRACE,
            load_timeout(soft = SOFT, hard = "5s"),
            refresh_ahead = 2.0,
            jitter = "off",
            negative_ttl = "10s",
            soft,
        }

        /// Everything.
        group all = figures, exchange_rates, "dash*";
        group figures = sales, "*_summary";
        group followed(who, region) = feed(viewer = who, region), sales_of(place = region), rates;
        group sales_of(place) = sales(region = place), exchange_rates;
        group rates = exchange_rates;
    "#;
    assert_snapshot!(pretty(&entry::resources(tokens(input)), false));
}

#[test]
fn the_names_of_wrong_declarations_are_still_declared() {
    let input = "
        dashboard_summary { ttl = 0, scope(company: &i64, company: u8), colour = 1 }
        dashboard_summary {}
        fn {}
        group all = missing;
    ";
    assert_snapshot!(pretty(&entry::resources(tokens(input)), false));
}

#[test]
fn a_wrong_attribute_leaves_the_function_as_it_was() {
    assert_snapshot!(cached("ttl = 0", "pub async fn f(&self) -> u8 { self.n }"));
}

#[test]
fn tables_with_their_targets() {
    let input = r#"
        invoices_list { scope(company: i64) }
        companies_list {}
        tag author: i64;
        table accounting.invoices(tenant = tenant_id) => "*_list", invoices_list(company = "Company Id");
        table articles => tag(author = author_id);
    "#;
    assert_snapshot!(pretty(&entry::resources(tokens(input)), false));
}
