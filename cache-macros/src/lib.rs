//! The macros of `cache-runtime`: [`resources!`](macro@resources), [`#[cached]`](macro@cached) and
//! [`#[invalidates]`](macro@invalidates). Use them through that crate, which their expansions name.
//!
//! Three phases, a type for each: what the user wrote (`args`, `target`), what it means (`model`, made by `lower`), and
//! the tokens (`expand`). All mistakes of one attribute are reported at once, and the annotated item is emitted all the
//! same (`fallback`).

// What is public and can get no more fields or variants is so for a reason.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod args;
mod diag;
mod duration;
mod entry;
mod expand;
mod fallback;
mod function;
mod lower;
mod model;
mod paths;
mod uses;

#[cfg(test)]
mod tests;

/// Declares the resources that a program caches, and groups of them.
///
/// Stands in the module `cache_resources` at the root of the crate, where the other two macros look names up. Every
/// resource and group becomes a `static` of that name, with its documentation.
///
/// ```ignore
/// // src/cache_resources.rs
/// cache_runtime::resources! {
///     /// Totals shown on the home page.
///     dashboard_summary { ttl = "5m", scope(company: i64) }
///     dashboard_trends  { ttl = "3m", scope(company: i64) }
///     invoices_list     { ttl = 60, scope(company: i64) }
///     companies_list    { ttl = DEFAULT_TTL }
///     exchange_rates    { ttl = "1h", tenant = shared }
///     treasury_data     { ttl = "2m", crash_safe, settle = "500ms" }
///
///     /// Everything that shows invoices.
///     group invoice_data = invoices_list, "dashboard_*";
/// }
/// ```
///
/// # Options of a resource
///
/// A duration is whole seconds (`300`), a text with units (`"5m"`, `"500ms"`), or a constant expression of type
/// [`Duration`](core::time::Duration); at least a millisecond.
///
/// | option | value | default | what it does |
/// |---|---|---|---|
/// | `ttl` | a duration | the default of the cache | entries live so long |
/// | `scope` | `(name: Type, ...)`, at most four | no scopes | arguments that can be invalidated on their own; the type implements [`Display`](core::fmt::Display), is written as an `Option` of one that does where there may be no value, and is the same wherever the name is used |
/// | `tenant` | `shared` | one copy of each entry for each tenant | one copy of each entry for all tenants |
/// | `max_loads` | a whole number above 0 | the `max_loads` of the cache, which is any number | so many loads of the resource run at once in one process; further ones wait their turn |
/// | `crash_safe` | none | an invalidation is lost if its process is killed before it was sent | nothing is stored while a mutation runs, nor for the time-to-live of its hold after its process was killed |
/// | `settle` | a duration | stored again at once | with `crash_safe`: nothing is stored for so long after a mutation, for loads from a database replica that lags |
/// | `stale_while_revalidate` | a duration, `"off"` | nothing is used after its TTL | for so long after its TTL a value is returned at once while one caller's load replaces it; its functions name the option |
/// | `stale_if_error` | a duration, `"off"` | an error is the caller's | for so long after its TTL a value is returned if the load fails |
/// | `load_timeout` | `(soft = DURATION, hard = DURATION)`, either alone, `"off"` | a load takes as long as it takes | after `soft`, what `stale_if_error` allows is returned and the load goes on; after `hard`, an error made of `LoadTimeout`; its functions name the option |
/// | `refresh_ahead` | none, which is 1.0, or a number above 0, `"off"` | a value is loaded again when its TTL is over | some caller loads it before, the earlier the longer the load takes (`XFetch`), and nobody waits; its functions name the option |
/// | `jitter` | `"10%"`, `"off"` | the `jitter` of the cache, 5 % | TTLs are shortened by up to this part of them, so that what is stored at once does not end at once |
/// | `negative_ttl` | a duration, `"off"` | `None` is not stored | `None` is kept for so long, also in a `Result`, and the errors that `cache_err` chooses |
/// | `soft` | none | an invalidation makes entries unusable | entries can be invalidated softly, too: stale for as long as `stale_while_revalidate` says |
///
/// Before the first declaration may stand `crate = some::path;`:
///
/// | option | value | default | what it does |
/// |---|---|---|---|
/// | `crate` | a path | the name that Cargo.toml gives the runtime | says where the runtime is |
///
/// # Tags
///
/// `tag author: i64;` declares a kind of tags: what results depend on as their loads find out, for `tags(...)` of
/// [`#[cached]`](macro@cached) and `tag(...)` of [`#[invalidates]`](macro@invalidates). Its type is one that a scope can have, but no
/// `Option`. A tag may be called like a resource.
///
/// # Tables
///
/// `table invoices => invoices_list(company = company_id), "dashboard_*";` declares a table of a database: whatever program changes a row,
/// the targets are invalidated, if triggers are in the database and a relay follows them (`changes` of the runtime). A target is a
/// resource, a group or a pattern, in quotes or not, with the columns that fill its scopes; or a tag, `tag(author = author_id)`.
/// `table invoices(tenant = tenant_id) => ...` names the column that says whose a row is. A schema stands before the name, and a name
/// that is no Rust identifier in quotes.
///
/// # Groups
///
/// The members of a group are resources, other groups, and patterns in quotes, in which `*` stands for any run of
/// characters. Patterns match names of resources.
///
/// # Errors
///
/// Two declarations of one name or table, an unknown or empty group, a pattern that matches nothing, a group that contains
/// itself, a TTL of zero, `settle` without `crash_safe`, `soft` without `stale_while_revalidate`, a soft timeout that is not shorter than
/// the hard one, and a scope name with two types do not compile.
#[proc_macro]
pub fn resources(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    entry::resources(input.into()).into()
}

/// Answers calls of an async function from the cache.
///
/// The signature, the visibility, the other attributes and all callers stay as they are. A call is answered from the
/// cache if it can be; else the body runs and its result is stored. Whatever is wrong with the cache, the body runs.
///
/// ```ignore
/// impl InvoiceService {
///     #[cached(resource = "invoices_list", ttl = 60, scope(company))]
///     pub async fn invoices(&self, company: i64, filter: &InvoiceFilter, username: &str)
///         -> Result<Page<Invoice>, AppError>
///     {
///         self.db.invoices(company, filter).await
///     }
/// }
/// ```
///
/// # Options
///
/// Expressions see the arguments as they are when the function is called, and `self`. A duration is whole seconds (`60`), a
/// text with units (`"5m"`, `"250ms"`), or an expression of type [`Duration`](core::time::Duration); at least a millisecond.
///
/// | option | value | default | what it does |
/// |---|---|---|---|
/// | `resource` | `"name"`, or a path such as `some::module::name` | required | says what the result is: as declared by [`resources!`](macro@resources) in `crate::cache_resources`, or elsewhere by its path. The compiler "cannot find `cache_resources` in `crate`": there is no such module at the root of this crate; a binary beside a library says `use my_library::cache_resources;` |
/// | `ttl` | a duration, or `\|value\| EXPR` | the TTL of the resource | this entry lives so long; a closure is given the value and returns a [`Duration`](core::time::Duration) or a `Lifetime`, zero for a value that is not stored |
/// | `skip` | `(db, ctx)` | every argument is part of the key | leaves handles among the arguments out of the key |
/// | `independent` | `(user)` | nothing is | leaves out of the key what the result does not depend on, although the body looks at it |
/// | `key` | `(filter.page, zone = self.zone)` | the arguments alone | adds expressions to the key; one without a name is named by its tokens |
/// | `scope` | `(company)`, `(company = filter.company)` | the resource declares no scopes | gives the values of the scopes; exactly those that the resource declares |
/// | `tags` | `(author = result.authors)`, `(author)` | results have no tags | says what a result depends on beside its scopes: one value of a declared kind of tags, or whatever iterates over values; of the arguments, or of the word `result`, the value that is stored. At most four kinds, and 32 tags of a result |
/// | `tenant` | an expression | the argument `tenant_id`, else the tenant of the task, else `default` | says whose entry it is |
/// | `cache` | an expression of type `Cache` | the one of the task, else the installed one, else none | says which cache is used |
/// | `when` | an expression of type `bool` | always | uses the cache for this call only if true |
/// | `unless` | `\|value\| EXPR` | every value is stored | does not store a value for which it is true; may use arguments that are `Copy` |
/// | `near` | `"tracked"`, `"checked"`, `"off"` | `"off"`: in the store alone | keeps decoded values in the process, too: used without a round trip as long as the store reports no change of their stamps, or after asking for the stamps alone; the value is `Clone + Send + Sync + 'static` |
/// | `lease` | none, which is 2 seconds, or a constant duration | one load for each process | one load of a cold key for all processes; after this long without a sign of life of the one that loads, another takes over |
/// | `stale_while_revalidate` | none, a duration, `"off"` | the resource has none | for so long after its TTL a value is returned at once while one caller's load replaces it; alone: as the resource declares |
/// | `stale_if_error` | a duration, `"off"` | the resource's | for so long after its TTL a value is returned if the load fails |
/// | `load_timeout` | none, `(soft = DURATION, hard = DURATION)`, either alone, `"off"` | the resource has none | after `soft`, what `stale_if_error` allows is returned and the load goes on; after `hard`, an error made of `LoadTimeout`; alone: as the resource declares |
/// | `refresh_ahead` | none, a number above 0, `"off"` | the resource has none | some caller loads before the TTL is over, the earlier the longer the load takes (`XFetch`), and nobody waits; alone: as the resource declares, else 1.0 |
/// | `jitter` | `"10%"`, `"off"` | the resource's, else 5 % | the TTL is shortened by up to this part of it, so that what is stored at once does not end at once |
/// | `negative_ttl` | a duration, `"off"` | the resource's | keeps `None` for so long, also in a `Result`, and the errors that `cache_err` chooses |
/// | `cache_err` | `\|error\| EXPR` | no error is stored | keeps an error for which it is true for `negative_ttl`; the error is `Serialize + DeserializeOwned` |
/// | `verify` | a number above 0, at most 1: `0.01` | off | that part of the hits runs the body, too, and counts the results that are others (`Stats::stale_detected`) |
/// | `codec` | `"packed"`, `"json"`, `"postcard"` | the cache's, `"packed"` | says what results are stored in: a binary form, JSON for other programs that read along, or, with the feature of that name, `"postcard"` |
/// | `version` | a whole number | 0 | another number refuses what was stored before |
/// | `each` | `ids`, `id in ids` | one entry for each call | keeps an entry for each element of this argument: what is not cached is loaded by one run of the body |
/// | `crate` | a path | the name that Cargo.toml gives the runtime | says where the runtime is |
///
/// # Many at once
///
/// With `each = ids` the argument `ids` is a slice, a `Vec`, a `HashSet` or a `BTreeSet`, by value or by reference, and the result is
/// a map from ids to values (`HashMap`, `BTreeMap`), or a `Vec<Option<T>>` with an element for each id; plain or inside of a `Result`.
/// Each id has an entry of its own, with all other arguments in its key. The body is called with those that are not cached, each once
/// and in the order of the caller; not at all, if there are none. An id that the body leaves out has no value. With
/// `each = id in ids` the expressions in `scope(...)`, `key(...)` and `tenant = ...` see one of them, by reference, as `id`.
///
/// The body may run more than once in a call: for what another call was loading already, and has not. So arguments by value are
/// `Clone`.
///
/// # The key
///
/// Every argument is part of the key, by its name and as serde serialises it, except `self`, the tenant, those in
/// `skip(...)`, and the user arguments `username` and `current_user`. The names that a pattern binds are arguments of
/// their own.
///
/// A user argument may be left out only because nothing depends on it: if the body names one, two users would share one
/// result, and a permission check in the body would be skipped on a hit. So that is an error, until `key(username)`
/// keeps a result for each user or `skip(username)` says that the result does not depend on them. Fields of these names count,
/// of `self` and of what is skipped, in any path or pattern. What other attributes generate around the body, such as the arguments that `#[instrument]`
/// records, does not count.
///
/// What `skip(...)` leaves out and the body looks at is a handle: a pool, a client. Data, which could be serialised, and users by
/// whatever name are an error there: `independent(...)` says that the result does not depend on them.
///
/// # What is stored
///
/// The value in `Ok` of a `Result`, the value in `Some` of an `Option`, any other value as it is. Never `Err`, never `None`; the
/// same holds for `Result`s and `Option`s inside of one another, up to four of them.
///
/// # Loads that outlive their callers
///
/// With `stale_while_revalidate`, `refresh_ahead` or a soft `load_timeout` the body may run when its caller has gone. So it owns what it
/// looks at: an argument by value is moved to it, and is `Send + 'static`; what is borrowed by `&`, `self` included, is copied if the body
/// runs, and is `Clone + Send + Sync + 'static` (`str`, `[T]`, `Path`: what can be made owned). It sees the types that it always does. A
/// call that the cache answers copies nothing. What the body does not look at may be anything. An attribute has to name the options of
/// these that the resource declares, because it is told nothing of them: alone, with a value, or `"off"`.
///
/// # Where it works
///
/// Free functions, methods with any receiver, implementations and provided methods of async traits, methods of
/// `#[async_trait]` implementations, and functions that return `Pin<Box<dyn Future>>`, by
/// whatever alias, and end with `Box::pin(async move { ... })`; with generics, lifetimes, patterns, `#[cfg]` on parameters, and with
/// `#[tracing::instrument]` before or after.
///
/// # Errors
///
/// All mistakes of one attribute are reported at once, each where it was made: unknown names, missing or surplus
/// scopes, scope values of the wrong type, arguments and results that serde cannot handle, results that `near` cannot keep,
/// functions that are not async,
/// `impl Trait` and borrowed results, `&mut` arguments in the key, arguments that cannot outlive the caller where the load may, and
/// options that contradict each other or what is returned.
#[proc_macro_attribute]
pub fn cached(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    entry::cached(args.into(), item.into()).into()
}

/// Invalidates cached results once an async function has returned.
///
/// When the function has returned, no caller is given a result that was loaded before it did. The signature, the
/// visibility, the other attributes and all callers stay as they are.
///
/// ```ignore
/// impl InvoiceService {
///     #[invalidates("invoice_data"(company = result.company), "companies_list", "treasury_*")]
///     pub async fn mark_paid(&self, invoice_id: i64) -> Result<Invoice, AppError> {
///         self.db.mark_paid(invoice_id).await
///     }
/// }
/// ```
///
/// # Targets
///
/// A target is the name of a resource or a group as declared by [`resources!`](macro@resources) in
/// `crate::cache_resources`, a pattern over the names of resources, or the path of a resource or group that is declared
/// elsewhere (`some::module::name`). `"name"(company)` and `"name"(company = EXPR)` restrict it to one value of a scope,
/// which every resource of the target has to declare; without a value the whole resource is invalidated.
///
/// The expression of a scope value sees either the arguments, as they are when the function is called, or the word
/// `result`: the value in `Ok` of a `Result` or in `Some` of an `Option`, or whatever else is returned.
///
/// `"name"(viewer in EXPR)` restricts it to any of several values: of an argument or a field that is a collection, or of what else can be
/// iterated over. Without values nothing is invalidated; of more than 1,024 all are.
///
/// `"name"(company, when = EXPR)` invalidates this target only if the expression, which sees what a scope value sees, is true.
///
/// `tag("author", EXPR)`, or `tag(author = EXPR)`, is a target, too: whatever was stored with this tag, of every resource. The expression
/// gives one value or iterates over values, and sees what a scope value sees; `when = EXPR` may follow it. A kind that is declared elsewhere
/// is named by the path of a resource beside it, with its own name at the end: `tag(some::module::author = EXPR)`.
///
/// # Options
///
/// | option | value | default | what it does |
/// |---|---|---|---|
/// | `on` | `"ok"`, `"always"` | `"ok"` | after which returns the invalidation happens: `Ok`, or `Err` as well; functions that return no `Result` always succeed |
/// | `detach` | none | the mutation is its caller's, and dropped with it | the mutation runs to its end on a task of its own, whatever becomes of its caller; what it takes and returns is `Send`, and nothing is borrowed. No effect inside a `transaction` and outside of a tokio runtime |
/// | `soft` | none | what is invalidated is never returned again | it may be returned while a load replaces it, until its `stale_while_revalidate` is over; every target is declared `soft` |
/// | `tenant` | an expression | the argument `tenant_id`, else the tenant of the task, else `default` | says whose entries |
/// | `cache` | an expression of type `Cache` | the one of the task, else the installed one, else none | says which cache is used |
/// | `crate` | a path | the name that Cargo.toml gives the runtime | says where the runtime is |
///
/// If the future is dropped or panics half-way, nobody knows what it has done, so the invalidation happens; where a
/// scope value was to come from `result`, the whole resource is invalidated, and all tags of the kind where a tag was.
///
/// If a target is a resource with `crash_safe`, what is stored of it becomes unusable before the body, too, and nothing is
/// stored until the invalidation is done. A scope value from `result` is not known then: the whole resource is held.
///
/// # Errors
///
/// A misspelt name, a pattern that matches nothing, a scope that a resource of the target lacks, and an expression that
/// mixes `result` with arguments do not compile.
#[proc_macro_attribute]
pub fn invalidates(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    entry::invalidates(args.into(), item.into()).into()
}
