//! `#[cached]`: the site, the key, and one call.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{
    catalogue, check, each, future, given, given_tags, local, nested_split, nobody, optional_cache,
    owned::{Luggage, closure},
    policies, quiet_use, scope_type,
};
use crate::{
    args::CodecName,
    duration::DurationExpr,
    model::{Cached, Handle, HardTimeout, KeyPart, KeyPartKind, Loading, Near, TagValues, Tags, Tenant, UserArgument},
    paths::{private, private_item, quiet, quiet_item},
    uses::{mentions, unraw},
};

/// The new body of the function, around `block`, its old one. The call is made in a block of its own: what was borrowed in the
/// future keeps its room there while that waits.
//
//     const __CACHE_RESOURCE: &Resource = &crate::cache_resources::invoices_list;
//     struct __CacheItem;
//     static __CACHE_SITE: Site = Site::new(__CACHE_RESOURCE, 0, Item::new(...));
//     let call = {
//         let mut call = Call::begin(&__CACHE_SITE, None);
//         Call::key(&mut call, |key| {
//             KeyWriter::scope(key, "company", crate::cache_resources::scopes::company::new().__given(&company));
//             KeyWriter::arg(key, "company", &company, in_key);
//         });
//         call
//     };
//     cached(call, Returns::<R>::new().split(), never, SharedOnly, async move { block }).await
pub(crate) fn cached(model: &Cached, text: u64, block: &TokenStream) -> TokenStream {
    let private = private();
    let call = local("__cache_call");
    let call_type = quote!(#private::Call);
    let site = site(model, text);
    let ttl = model.ttl.iter().map(|ttl| quote!(#call_type::ttl(&mut #call, #ttl);));
    let when = model
        .when
        .iter()
        .map(|when| quote!(#call_type::when(&mut #call, #when);));
    // With `each` it is said of each id.
    let verify = model.verify.filter(|_| model.each.is_none());
    let verify = verify
        .iter()
        .map(|share| quote!(#call_type::verify(&mut #call, #share);));
    let cache = optional_cache(model.cache.as_ref());
    let begin = if answers_at_hand(model) {
        let begin = answer_or_begin(model, &call, &cache);
        if model.ttl.is_none() {
            begin
        } else {
            quote!(let #call = { #begin #(#ttl)* #call };)
        }
    } else {
        let key = key(model, &call);
        quote! {
            let #call = {
                let mut #call = #call_type::begin(&__CACHE_SITE, #cache);
                #(#ttl)*
                #(#when)*
                #(#verify)*
                #key
                #call
            };
        }
    };
    let handles = model.handles.iter().map(|Handle { ident, cfg }| {
        let at = ident.span();
        let probe = private_item("Probe", at);
        let skippable = private_item("skippable", at);
        quote_spanned!(at=> #(#cfg)* #skippable(#probe::of(&#ident).kind());)
    });
    let named = model
        .user_arguments
        .iter()
        .map(|UserArgument { ident, cfg }| quote!(#(#cfg)* let _ = &#ident;));
    let run = run(model, &call, block);
    quote! {
        #site
        #begin
        #(#handles)*
        #(#named)*
        #run
    }
}

/// The one call.
//
// All of it stands on the return type: what the compiler has to say about it is that the result cannot be stored.
fn run(model: &Cached, call: &Ident, block: &TokenStream) -> TokenStream {
    let private = private();
    let output = &model.output;
    let span = output.span();
    let tier = private_item(if model.near.is_some() { "NearToo" } else { "SharedOnly" }, span);
    let unless = model.unless.as_ref().map(|unless| closure(unless, "unless"));
    let unless = unless.unwrap_or_else(|| quote!(#private::never));
    let split = nested_split(output);
    let checks = policies::return_checks(model, &split);
    if let Some(each) = &model.each {
        let run = each::run(model, each, call, block, &unless);
        return quote!(#checks #run);
    }
    let run = match &model.loading {
        Loading::InTheCall if needs_terms(model) => {
            let body = future(block, output);
            let run = private_item("cached_with", span);
            let terms = terms(model, &split, &unless);
            quote_spanned!(span=> #run(#call, #terms, #tier, #body).await)
        }
        Loading::InTheCall => {
            let body = future(block, output);
            let run = private_item("cached", span);
            quote_spanned!(span=> #run(#call, #split, #unless, #tier, #body).await)
        }
        Loading::Outliving(arguments) => {
            let luggage = Luggage::of(arguments);
            let Luggage { before, packed, .. } = &luggage;
            let body = luggage.body(block, output);
            let terms = terms(model, &split, &unless);
            let load = quote_spanned! {quiet(span)=>
                move || {
                    let __cache_terms = #terms;
                    #packed
                    (__cache_terms, #body)
                }
            };
            let run = private_item("cached_owned", span);
            let run = quote_spanned!(span=> #run(#call, #tier, #load).await);
            quote!(#before #run)
        }
    };
    quote!(#checks #run)
}

/// Whether the load is more than a body and an `unless`.
const fn needs_terms(model: &Cached) -> bool {
    model.lifetime.is_some() || model.cache_err.is_some() || model.hard_timeout.is_some() || model.tags.is_some()
}

/// What is stored of a load, and for how long.
fn terms(model: &Cached, split: &TokenStream, unless: &TokenStream) -> TokenStream {
    let span = model.output.span();
    let terms = private_item("Terms", span);
    let output = &model.output;
    let mut terms = quote_spanned!(span=> #terms::<#output, _, _>::new(#split, #unless));
    terms.extend(closures(model));
    if let Some(tags) = &model.tags {
        let ResultTags { known, closure, .. } = ResultTags::of(tags);
        terms.extend(quote!(.tags({ #known #closure })));
    }
    on_timeout(model, terms, "given")
}

/// What the attribute's closures say of a value or of an error, of terms that stand before it.
pub(super) fn closures(model: &Cached) -> TokenStream {
    let closures = [(&model.lifetime, "lifetime"), (&model.cache_err, "cache_err")];
    let given = closures.into_iter().filter_map(|(given, name)| {
        let given = given.as_ref()?;
        let method = Ident::new(name, given.span);
        let given = closure(given, name);
        Some(quote!(.#method(#given)))
    });
    given.collect()
}

/// The terms, with what is returned after the hard timeout. `method` is what adds that where the resource declares one.
pub(super) fn on_timeout(model: &Cached, terms: TokenStream, method: &str) -> TokenStream {
    let output = &model.output;
    match model.hard_timeout {
        None => terms,
        Some(HardTimeout::Given(at)) => {
            let timed_out = private_item("timed_out", at);
            quote_spanned!(quiet(at)=> #terms.on_timeout(#timed_out::<#output>))
        }
        Some(HardTimeout::AsDeclared(at)) => {
            let timeout = private_item("HardTimeout", at);
            let method = Ident::new(method, quiet(at));
            quote_spanned!(quiet(at)=> #timeout::<{ __CACHE_RESOURCE.__has_hard_timeout() }>::#method(#terms))
        }
    }
}

/// The tags of results.
#[derive(Default)]
pub(super) struct ResultTags {
    /// The statements for those that are known before the body takes the arguments.
    pub(super) known: TokenStream,
    /// Those once more, for a closure that is not the only one.
    pub(super) clones: TokenStream,
    /// Gives each kind with its values, of a result.
    pub(super) closure: TokenStream,
}

impl ResultTags {
    pub(super) fn of(Tags { given, result }: &Tags) -> Self {
        let mut tags = Self::default();
        let values: Vec<TokenStream> = (0..)
            .zip(given)
            .map(|(i, values)| {
                let (TagValues::OnEntry(tag) | TagValues::FromResult(tag)) = values;
                let kind = unraw(&tag.name);
                let given = given_tags(tag, &tag_alias(i));
                if let TagValues::FromResult(_) = values {
                    return quote!(.of(#kind, #given));
                }
                let name = format_ident!("__cache_tags_{i}", span = Span::mixed_site());
                tags.known.extend(quote!(let #name = #given;));
                tags.clones
                    .extend(quote!(let #name = ::core::clone::Clone::clone(&#name);));
                quote!(.of(#kind, #name))
            })
            .collect();
        let result = result.as_ref().map_or_else(|| quote!(_), ToTokens::to_token_stream);
        let private = private();
        tags.closure = quote!(move |#result| <#private::GivenTags as ::core::default::Default>::default()#(#values)*);
        tags
    }
}

/// The constants of the function, and the checks of what only the declaration knows.
fn site(model: &Cached, text: u64) -> TokenStream {
    let private = private();
    let Cached {
        resource,
        resource_span: span,
        function,
        version,
        scopes,
        near,
        lease,
        codec,
        tags,
        key,
        text: described,
        ..
    } = model;
    let submission = catalogue::function(described, key);
    let tags = tags.iter().flat_map(|tags| &tags.given);
    let (tag_types, kinds): (Vec<_>, Vec<_>) = (0..)
        .zip(tags)
        .map(|(i, TagValues::OnEntry(tag) | TagValues::FromResult(tag))| {
            (scope_type(tag, &tag_alias(i)), unraw(&tag.name))
        })
        .unzip();
    let tags = (!kinds.is_empty()).then(|| quote!(.tags(&[#(#kinds),*])));
    let near = near.map(|near| {
        let coherence = match near {
            Near::Tracked => quote!(Tracked),
            Near::Checked => quote!(Checked),
        };
        quote!(.near(#private::Coherence::#coherence))
    });
    let lease = lease.as_ref().map(|lease| match lease {
        DurationExpr::Expr(expr) => {
            let site = private_item("Site", expr.span());
            let lease = quote_spanned!(expr.span()=> #site::checked_lease(#expr));
            quote!(.lease(#lease))
        }
        fixed @ DurationExpr::Fixed(_) => quote!(.lease(#fixed)),
    });
    let codec = codec.map(|(codec, span)| {
        let codec = match codec {
            CodecName::Json => quote!(#private::Codec::Json),
            CodecName::Packed => quote!(#private::Codec::Packed),
            CodecName::Postcard => {
                let codec = private_item("Codec", span);
                quote_spanned!(span=> #codec::postcard())
            }
        };
        quote!(.codec(#codec))
    });
    let policies = policies::policies(&model.policies).map(|policies| quote!(.policies(#policies)));
    let checks = policies::checks(model);
    let aliases: Vec<Ident> = (0..scopes.len()).map(scope_alias).collect();
    let scope_types = scopes
        .iter()
        .zip(&aliases)
        .map(|(scope, alias)| scope_type(scope, alias));
    let surplus = scopes.iter().zip(&aliases).map(|(scope, alias)| {
        let (name, at) = (unraw(&scope.name), scope.name.span());
        check(
            at,
            &[alias],
            &quote_spanned!(at=> __CACHE_RESOURCE.__require_scope(#name)),
        )
    });
    let names = scopes.iter().map(|scope| unraw(&scope.name));
    let missing = quote_spanned!(*span=> __CACHE_RESOURCE.__require_all_scopes(&[#(#names),*]));
    let missing = check(*span, &aliases.iter().collect::<Vec<_>>(), &missing);
    let resource_type = quiet_item("Resource", *span);
    let resource = quote_spanned!(*span=> #resource.__resource());
    quote! {
        const __CACHE_RESOURCE: &#resource_type = #resource;
        #(#scope_types)*
        #(#tag_types)*
        #missing
        #(#surplus)*
        #checks
        struct __CacheItem;
        static __CACHE_SITE: #private::Site = #private::Site::new(
            __CACHE_RESOURCE,
            #version,
            #private::Item::new(
                ::core::module_path!(),
                #function,
                ::core::any::type_name::<__CacheItem>,
                ::core::any::TypeId::of::<__CacheItem>,
                ::core::concat!(::core::file!(), ":", ::core::line!(), ":", ::core::column!()),
                #text,
            ),
        )#near #lease #codec #policies #tags;
        #submission
    }
}

/// What tells the call from others. The closure may run twice, so what is more than an argument's name is evaluated before it.
fn key(model: &Cached, call: &Ident) -> TokenStream {
    let private = private();
    let told = told(model, |key, parts| match &model.each {
        None => quote!(#private::Call::key(&mut #call, |#key| { #parts })),
        Some(each) => each::keys(each, call, model.verify, key, parts),
    });
    if model.each.is_some() {
        quote!(let #call = #told;)
    } else {
        quote!(#told;)
    }
}

/// Whether what is at hand is looked at before there is a call: nothing has to be known of the call but its arguments.
fn answers_at_hand(model: &Cached) -> bool {
    matches!(model.near, Some(Near::Tracked)) && model.each.is_none() && model.when.is_none() && model.verify.is_none()
}

/// The answer that is at hand, or the call.
//
//     let call = match Call::answer_or_begin(&__CACHE_SITE, None, Returns::<R>::new().split(), NearToo, &|key| { … }) {
//         Ok(answer) => return answer,
//         Err(call) => call,
//     };
fn answer_or_begin(model: &Cached, call: &Ident, cache: &TokenStream) -> TokenStream {
    let output = &model.output;
    let at = output.span();
    let (run, tier, split) = (
        private_item("Call", at),
        private_item("NearToo", at),
        nested_split(output),
    );
    let told = told(
        model,
        |key, parts| quote_spanned!(at=> #run::answer_or_begin(&__CACHE_SITE, #cache, #split, #tier, &|#key| { #parts })),
    );
    let (answer, begun) = (local("__cache_answer"), local("__cache_begun"));
    let mutable = model.ttl.as_ref().map(|_| quote!(mut));
    quote! {
        let #mutable #call = match #told {
            ::core::result::Result::Ok(#answer) => return #answer,
            ::core::result::Result::Err(#begun) => #begun,
        };
    }
}

/// What is told of the arguments: `tell` makes the call of it that takes a closure, of the closure's argument and its body.
fn told(model: &Cached, tell: impl FnOnce(&Ident, &TokenStream) -> TokenStream) -> TokenStream {
    let private = private();
    let key = local("__cache_key");
    let key_type = quote!(#private::KeyWriter);
    let Cached {
        tenant,
        scopes,
        key: parts,
        ..
    } = model;
    let mut values = Evaluations {
        element: model.each.as_ref().map(|each| unraw(&each.element)),
        ..Evaluations::default()
    };
    let mut told = Told::of(&values);
    if let Some(Tenant { cfg, value, span }) = tenant {
        let given = values.of(value, *span);
        told.add(value, quote!(#(#cfg)* #key_type::tenant(#key, #given);));
    }
    for (i, scope) in scopes.iter().enumerate() {
        let alias = scope_alias(i);
        let name = unraw(&scope.name);
        if scope.is_none {
            let nobody = nobody(scope, &alias);
            told.add(&scope.value, quote!(#key_type::scope(#key, #name, #nobody);));
            continue;
        }
        let method = if is_argument(&scope.value) && parts.iter().any(|part| same(&part.value, &scope.value)) {
            quote!(scope_of_arg)
        } else {
            quote!(scope)
        };
        let value = given(scope, &alias, &values.of(&scope.value, scope.span));
        told.add(&scope.value, quote!(#key_type::#method(#key, #name, #value);));
    }
    for part in parts {
        let KeyPart {
            name,
            cfg,
            value,
            span,
            kind,
        } = part;
        let given = values.of(value, *span);
        let (method, given) = match kind {
            KeyPartKind::Value => (quote!(arg), given),
            KeyPartKind::Set { by_reference: false } => (quote!(set), given),
            KeyPartKind::Set { by_reference: true } => (quote!(set), quote_spanned!(quiet(*span)=> *#given)),
        };
        let written = quiet_use(name, &quote!(#key_type::#method(#key, #name, #given, #private::in_key)));
        told.add(value, quote!(#(#cfg)* #written));
    }
    let parts = told.written(&key);
    let told = tell(&key, &parts);
    let Evaluations { names, values, .. } = values;
    if values.is_empty() {
        told
    } else {
        // A `match`, and no `let`: so that what the expressions borrow from lives until the key is written.
        quote!(match (#(#values,)*) { (#(#names,)*) => #told })
    }
}

/// What is told of a call. Of one of several ids, what is the same for all of them stands together, and is written once.
struct Told {
    /// The name of an element of `each`.
    element: Option<String>,
    /// Whether it is shared, and the statements.
    parts: Vec<(bool, TokenStream)>,
}

impl Told {
    fn of(values: &Evaluations) -> Self {
        Self {
            element: values.element.clone(),
            parts: Vec::new(),
        }
    }

    /// A statement that tells `value`.
    fn add(&mut self, value: &TokenStream, statement: TokenStream) {
        let is_shared = self.element.as_ref().is_some_and(|element| !mentions(value, element));
        match self.parts.last_mut() {
            Some((was_shared, before)) if *was_shared == is_shared => before.extend(statement),
            _ => self.parts.push((is_shared, statement)),
        }
    }

    fn written(&self, key: &Ident) -> TokenStream {
        let private = private();
        let key_type = quote!(#private::KeyWriter);
        let parts = self.parts.iter().map(|(is_shared, statements)| {
            if !is_shared {
                return statements.clone();
            }
            quote! {
                if #key_type::begin_shared(#key) {
                    #statements
                    #key_type::end_shared(#key);
                }
            }
        });
        parts.collect()
    }
}

/// The expressions that are evaluated once, and the names of their values.
#[derive(Default)]
struct Evaluations {
    /// The name of an element of `each`: what looks at one is evaluated for each of them.
    element: Option<String>,
    names: Vec<Ident>,
    values: Vec<TokenStream>,
}

impl Evaluations {
    /// A reference to the value, for errors on `span`.
    fn of(&mut self, value: &TokenStream, span: Span) -> TokenStream {
        let reference = quote_spanned!(span=> &#value);
        if self
            .element
            .as_ref()
            .is_some_and(|element| value.to_string() == *element)
        {
            // One of the ids, which is borrowed already.
            return value.clone();
        }
        if is_argument(value) || self.element.as_ref().is_some_and(|element| mentions(value, element)) {
            return reference;
        }
        let name = format_ident!(
            "__cache_value_{}",
            self.names.len(),
            span = span.resolved_at(Span::mixed_site())
        );
        self.values.push(reference);
        self.names.push(name.clone());
        name.into_token_stream()
    }
}

/// Whether an expression is a name alone: that of an argument.
fn is_argument(value: &TokenStream) -> bool {
    syn::parse2::<Ident>(value.clone()).is_ok()
}

fn same(one: &TokenStream, other: &TokenStream) -> bool {
    one.to_string() == other.to_string()
}

/// The tenant, for a `Plan`.
pub(super) fn tenant_of(tenant: &Tenant, on: &TokenStream, local: &Ident) -> TokenStream {
    let Tenant { cfg, value, span } = tenant;
    let value = quote_spanned!(*span=> &#value);
    quote!(#(#cfg)* #on::tenant(&mut #local, #value);)
}

fn tag_alias(i: usize) -> Ident {
    format_ident!("__CacheTag{i}")
}

fn scope_alias(i: usize) -> Ident {
    format_ident!("__CacheScope{i}")
}
