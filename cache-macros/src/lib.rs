//! The macros of `cache-runtime`: [`resources!`](macro@resources), [`#[cached]`](macro@cached) and
//! [`#[invalidates]`](macro@invalidates). Use them through that crate, which their expansions name.
//!
//! Three phases, a type for each: what the user wrote (`args`, `target`), what it means (`model`, made by `lower`), and
//! the tokens (`expand`). All mistakes of one attribute are reported at once, and the annotated item is emitted all the
//! same (`fallback`).

mod args;
mod diag;
mod duration;
mod entry;
mod expand;
mod fallback;
mod lower;
mod model;
mod paths;
mod target;
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
/// | option | meaning | without it |
/// |---|---|---|
/// | `ttl = 300`, `ttl = "5m"`, `ttl = EXPR` | how long entries live: whole seconds, a text with units, or a constant expression of type [`Duration`](core::time::Duration); at least a millisecond | the default of the cache |
/// | `scope(name: Type, ...)` | arguments that can be invalidated on their own, at most four; the type implements [`Display`](core::fmt::Display), and is the same wherever the name is used | the resource has none |
/// | `tenant = shared` | one copy of each entry for all tenants | one for each tenant |
/// | `crash_safe` | nothing is stored while a mutation runs, nor for the lease of its hold after its process was killed | an invalidation is lost if its process is killed before it was sent |
/// | `settle = 1`, `settle = "500ms"`, `settle = EXPR` | with `crash_safe`: how long nothing is stored after a mutation, for loads from a database replica that lags | stored again at once |
///
/// # Groups
///
/// The members of a group are resources, other groups, and patterns in quotes, in which `*` stands for any run of
/// characters. Patterns match names of resources.
///
/// # Errors
///
/// Two declarations of one name, an unknown or empty group, a pattern that matches nothing, a group that contains
/// itself, a TTL of zero, `settle` without `crash_safe`, and a scope name with two types do not compile.
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
/// Expressions see the arguments as they are when the function is called, and `self`.
///
/// | option | meaning | without it |
/// |---|---|---|
/// | `resource = "name"` | what the result is, as declared by [`resources!`](macro@resources) in `crate::cache_resources`; `resource = some::module::name` for one declared elsewhere. The compiler "cannot find `cache_resources` in `crate`": there is no such module at the root of this crate; a binary beside a library says `use my_library::cache_resources;` | required |
/// | `ttl = 60`, `ttl = "5m"`, `ttl = EXPR` | how long this entry lives: whole seconds, a text with units, or an expression of type [`Duration`](core::time::Duration); at least a millisecond | the TTL of the resource |
/// | `skip(db, ctx)` | handles among the arguments, which are not part of the key | every argument is |
/// | `independent(user)` | arguments that are not part of the key because the result does not depend on them, although the body looks at them | |
/// | `key(filter.page, zone = self.zone)` | expressions that are; one without a name is named by its tokens | |
/// | `scope(company)`, `scope(company = filter.company)` | the values of the scopes; exactly those that the resource declares | the resource declares none |
/// | `tenant = EXPR` | whose entry it is | the argument `tenant_id`, else the tenant of the task, else `default` |
/// | `cache = EXPR` | the `Cache` to use | the one of the task, else the installed one, else none |
/// | `when = EXPR` | use the cache for this call only if true | always |
/// | `unless = \|value\| EXPR` | do not store a value for which it is true; may use arguments that are `Copy` | every value is stored |
/// | `near = "tracked"`, `near = "checked"` | keep decoded values in the process, too: used without a round trip as long as the store reports no change of their stamps, or after asking for the stamps alone; the value is `Clone + Send + Sync + 'static` | `"off"`: in the store alone |
/// | `lease`, `lease = "5s"`, `lease = EXPR` | one load of a cold key for all processes; after this long without a sign of life of the one that loads, another takes over; `lease` alone is 2 seconds | one for each process |
/// | `codec = "postcard"` | what results are stored in; smaller and decoded faster, with the feature `postcard` | `"json"` |
/// | `crate = some::path` | where the runtime is | the name that Cargo.toml gives it |
/// | `version = 2` | raise it to refuse what was stored before | 0 |
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
/// `impl Trait` and borrowed results, `&mut` arguments in the key.
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
/// # Options
///
/// | option | meaning | without it |
/// |---|---|---|
/// | `on = "ok"`, `on = "always"` | after which returns: `Ok`, or `Err` as well | `"ok"`; functions that return no `Result` always succeed |
/// | `tenant = EXPR` | whose entries | the argument `tenant_id`, else the tenant of the task, else `default` |
/// | `cache = EXPR` | the `Cache` to use | the one of the task, else the installed one, else none |
///
/// If the future is dropped or panics half-way, nobody knows what it has done, so the invalidation happens; where a
/// scope value was to come from `result`, the whole resource is invalidated.
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
