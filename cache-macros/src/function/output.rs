//! What a function returns, read from its signature.

use syn::{
    GenericArgument, Path, PathArguments, PathSegment, ReturnType, Signature, Type, TypeImplTrait, TypeParamBound,
    spanned::Spanned, visit::Visit,
};

/// The type that an `async fn` gives.
pub(super) fn of_async_fn(output: &ReturnType) -> Type {
    match output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    }
}

/// The `R` of a returned `Pin<Box<dyn Future<Output = R>>>`, `BoxFuture<'_, R>` or `LocalBoxFuture<'_, R>`.
pub(super) fn of_boxed_future(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, ty) = output else {
        return None;
    };
    let outer = last_segment(ty)?;
    if outer.ident == "BoxFuture" || outer.ident == "LocalBoxFuture" {
        return first_type_argument(outer).cloned();
    }
    let boxed = named(outer, "Pin")
        .and_then(first_type_argument)
        .and_then(last_segment)?;
    let Type::TraitObject(object) = named(boxed, "Box").and_then(first_type_argument)? else {
        return None;
    };
    object.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => future_output(&bound.path),
        _ => None,
    })
}

/// What the future gives that a returned alias may stand for, said in the compiler's words: it knows what the alias is.
pub(super) fn of_alias(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, ty) = output else {
        return None;
    };
    last_segment(ty)?;
    Some(syn::parse_quote_spanned!(ty.span()=> <#ty as ::core::future::Future>::Output))
}

/// Why a function that returns a boxed future cannot be annotated.
pub(super) fn no_body(sig: &Signature, attribute: &str) -> syn::Error {
    syn::Error::new(
        sig.fn_token.span(),
        format!(
            "`#[{attribute}]` cannot see where the body of this function begins\nhelp: write an `async fn`, or end the \
             function with `Box::pin(async move {{ ... }})`"
        ),
    )
}

/// Why a function that is not async and returns no boxed future cannot be annotated.
pub(super) fn not_async(sig: &Signature, attribute: &str) -> syn::Error {
    match &sig.output {
        ReturnType::Type(_, ty) if find_impl_trait(ty).is_some() => is_opaque(ty, attribute),
        ReturnType::Type(_, ty) if is_called_future(ty) => no_body(sig, attribute),
        _ => syn::Error::new(
            sig.fn_token.span(),
            format!(
                "`#[{attribute}]` needs an async function, because it awaits the cache\nhelp: write `async fn {}`",
                sig.ident
            ),
        ),
    }
}

/// Why a function that returns an opaque type cannot be annotated.
pub(super) fn is_opaque(opaque: impl quote::ToTokens, attribute: &str) -> syn::Error {
    syn::Error::new_spanned(
        opaque,
        format!(
            "`#[{attribute}]` has to know the type that is returned, and `impl Trait` hides it\nhelp: name the type; for a \
             future, write an `async fn`"
        ),
    )
}

/// The first `impl Trait` in `ty`.
pub(super) fn find_impl_trait(ty: &Type) -> Option<&TypeImplTrait> {
    struct Find<'a>(Option<&'a TypeImplTrait>);
    impl<'ast> Visit<'ast> for Find<'ast> {
        fn visit_type_impl_trait(&mut self, found: &'ast TypeImplTrait) {
            self.0.get_or_insert(found);
        }
    }
    let mut find = Find(None);
    find.visit_type(ty);
    find.0
}

/// The reference that would have to be stored: `&T`, or the first part of `Result<&T, E>` and `Option<&T>`.
pub(super) fn borrowed_value(output: &Type) -> Option<&Type> {
    if let Type::Reference(_) = output {
        return Some(output);
    }
    let segment = last_segment(output)?;
    let splits = segment.ident == "Result" || segment.ident == "Option";
    first_type_argument(segment).filter(|first| splits && matches!(first, Type::Reference(_)))
}

/// Whether the type is called like a future.
fn is_called_future(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|last| last.ident.to_string().contains("Fut"))
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        // What a macro's `$ty` is wrapped in.
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

fn named<'a>(segment: &'a PathSegment, name: &str) -> Option<&'a PathSegment> {
    (segment.ident == name).then_some(segment)
}

fn first_type_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.next().filter(|_| types.next().is_none())
}

fn future_output(path: &Path) -> Option<Type> {
    let segment = path.segments.last().and_then(|segment| named(segment, "Future"))?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
        _ => None,
    })
}
