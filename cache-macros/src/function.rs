//! The annotated function: its arguments, what it returns, and where its body is.

mod boxed;
mod output;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Expr, FnArg, Lifetime, Pat, PatIdent, Signature, Token, Type, Visibility,
    parse::{Parse, ParseStream},
    spanned::Spanned,
    token::Brace,
    visit::Visit,
};

use self::boxed::Boxed;
use crate::{diag::Errors, uses::rename};

/// What `self` is called where it is a variable like others, as `#[async_trait]` calls it.
pub(crate) const RENAMED_SELF: &str = "__self";

/// A function as it is written, its body unparsed.
pub(crate) struct FunctionItem {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    brace: Brace,
    inner_attrs: Vec<Attribute>,
    body: TokenStream,
}

/// A function whose body can be wrapped.
pub(crate) struct Function {
    item: FunctionItem,
    form: Form,
    /// In the order of the signature.
    pub(crate) arguments: Vec<Argument>,
    /// What the future gives.
    pub(crate) output: Type,
}

/// Where the body is.
enum Form {
    /// An `async fn`.
    Async,
    /// A function that returns a boxed future.
    Boxed(Boxed),
}

/// A name that the parameters bind: the argument of a plain `name: Type`, or one of those in a pattern.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    /// The `mut` before the name where the body sees it.
    pub(crate) mutability: Option<Token![mut]>,
    /// The `#[cfg]`s of the parameter.
    pub(crate) cfg: Vec<Attribute>,
    /// The whole type, if the parameter is nothing but this name.
    pub(crate) ty: Option<Type>,
}

/// The receiver of a method.
pub(crate) struct Receiver<'a> {
    pub(crate) written: &'a syn::Receiver,
    /// What it is called in the body: `self`, or `__self` if `#[async_trait]` has moved it there.
    pub(crate) ident: Ident,
    pub(crate) mutability: Option<Token![mut]>,
}

impl Form {
    /// The pattern that the user wrote for a parameter; `None` if it binds nothing.
    fn pattern<'a>(&'a self, parameter: &'a Pat) -> Option<&'a Pat> {
        match self {
            Self::Boxed(boxed) => boxed.pattern_behind(parameter),
            Self::Async => Some(parameter),
        }
    }
}

impl Parse for FunctionItem {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(input.error("this one has none\nhelp: annotate the implementations"));
        }
        let content;
        let brace = syn::braced!(content in input);
        Ok(Self {
            attrs,
            vis,
            sig,
            brace,
            inner_attrs: content.call(Attribute::parse_inner)?,
            body: content.parse()?,
        })
    }
}

impl Function {
    /// Looks at `item`, which carries the attribute `#[attribute]`. `None` without a mistake: the body of a boxed
    /// function is only half typed yet, and the compiler says so.
    pub(crate) fn new(item: FunctionItem, attribute: &str, errors: &mut Errors) -> Option<Self> {
        let sig = &item.sig;
        let (form, output) = if sig.asyncness.is_some() {
            (Form::Async, output::of_async_fn(&sig.output))
        } else if let Some(output) = output::of_boxed_future(&sig.output) {
            let boxed = Boxed::find(sig, boxed::statements(&item.body)?);
            if boxed.is_none() {
                errors.push(output::no_body(sig, attribute));
            }
            (Form::Boxed(boxed?), output)
        } else if let Some(output) = output::of_alias(&sig.output)
            && let Some(boxed) = Boxed::find(sig, boxed::statements(&item.body)?)
        {
            (Form::Boxed(boxed), output)
        } else {
            errors.push(output::not_async(sig, attribute));
            (Form::Async, output::of_async_fn(&sig.output))
        };
        if let (Some(opaque), Some(_)) = (output::find_impl_trait(&output), sig.asyncness) {
            errors.push(output::is_opaque(opaque, attribute));
        }
        let arguments = arguments(sig, &form);
        Some(Self {
            item,
            form,
            arguments,
            output,
        })
    }

    pub(crate) fn name(&self) -> String {
        let name = self.item.sig.ident.to_string();
        name.strip_prefix("r#").map_or(name.clone(), str::to_owned)
    }

    /// The parameters as they are written, the receiver among them.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &FnArg> {
        self.item.sig.inputs.iter()
    }

    /// The pattern that the user wrote for each parameter which binds something, and its type.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (&Pat, &Type)> {
        self.inputs().filter_map(|input| match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(input) => Some((self.form.pattern(&input.pat)?, &*input.ty)),
        })
    }

    /// The receiver, if there is one.
    pub(crate) fn receiver(&self) -> Option<Receiver<'_>> {
        let written = self.item.sig.receiver()?;
        let moved = match &self.form {
            Form::Boxed(boxed) if boxed.by_async_trait => boxed.moved(&Ident::new(RENAMED_SELF, Span::call_site())),
            _ => None,
        };
        Some(match moved {
            Some(Pat::Ident(moved)) => Receiver {
                written,
                ident: moved.ident.clone(),
                mutability: moved.mutability,
            },
            _ => Receiver {
                written,
                ident: written.self_token.into(),
                mutability: written.mutability,
            },
        })
    }

    /// The lifetimes that the function declares.
    pub(crate) fn lifetimes(&self) -> impl Iterator<Item = &Lifetime> {
        self.item.sig.generics.lifetimes().map(|declared| &declared.lifetime)
    }

    pub(crate) fn argument(&self, name: &Ident) -> Option<&Argument> {
        self.arguments.iter().find(|argument| argument.ident == *name)
    }

    /// The reference that the function would have to store, if it returns one.
    pub(crate) fn borrowed_value(&self) -> Option<&Type> {
        output::borrowed_value(&self.output)
    }

    /// An expression of the attribute, as it has to be written where the key is computed: `#[async_trait]` has moved
    /// `self` away there.
    pub(crate) fn adapt(&self, expr: impl ToTokens) -> TokenStream {
        let tokens = expr.into_token_stream();
        match &self.form {
            Form::Boxed(boxed) if boxed.by_async_trait => rename(tokens, "self", RENAMED_SELF),
            _ => tokens,
        }
    }

    /// The same, for an expression that is borrowed there: `a + b` becomes `(a + b)`.
    pub(crate) fn adapt_operand(&self, expr: &Expr) -> TokenStream {
        let tokens = self.adapt(expr);
        let binds_tighter = matches!(
            expr,
            Expr::Path(_)
                | Expr::Field(_)
                | Expr::Index(_)
                | Expr::Call(_)
                | Expr::MethodCall(_)
                | Expr::Macro(_)
                | Expr::Lit(_)
                | Expr::Unary(_)
                | Expr::Reference(_)
                | Expr::Paren(_)
                | Expr::Tuple(_)
                | Expr::Array(_)
                | Expr::Try(_)
                | Expr::Await(_)
        );
        if binds_tighter {
            tokens
        } else {
            quote_spanned!(expr.span()=> (#tokens))
        }
    }

    /// Everything that runs when the function is called and that may be the user's own.
    pub(crate) fn user_code(&self) -> &TokenStream {
        match &self.form {
            Form::Boxed(boxed) if boxed.by_async_trait => &boxed.user_code,
            _ => &self.item.body,
        }
    }

    /// What is wrapped: the code that runs when the call is not answered from the cache.
    pub(crate) fn body(&self) -> &TokenStream {
        match &self.form {
            Form::Boxed(boxed) => &boxed.user_code,
            Form::Async => &self.item.body,
        }
    }

    /// Whether a use of `argument` in the body was not written by the user but generated by another attribute, such as
    /// `#[instrument]`, which records all arguments. What is generated has the place of the parameter, or that of the
    /// attribute, which stands before the function.
    pub(crate) fn is_generated(&self, used_at: Span, argument: &Ident) -> bool {
        let FunctionItem { brace, sig, .. } = &self.item;
        let (open, close) = (brace.span.open(), brace.span.close());
        let in_body = same_file(used_at, open) && (open.start()..close.end()).contains(&used_at.start());
        let before_function = same_file(used_at, sig.fn_token.span) && used_at.start() < sig.fn_token.span.start();
        let at_parameter = same_file(used_at, argument.span()) && used_at.start() == argument.span().start();
        at_parameter || (before_function && !in_body)
    }

    /// The function, with `wrap` applied to its body (a block) to make the new one (statements).
    pub(crate) fn into_tokens(self, wrap: impl FnOnce(TokenStream) -> TokenStream) -> TokenStream {
        let FunctionItem {
            attrs,
            vis,
            sig,
            brace,
            inner_attrs,
            body,
        } = self.item;
        let body = match self.form {
            Form::Async => {
                let mut block = TokenStream::new();
                brace.surround(&mut block, |tokens| *tokens = body);
                wrap(block)
            }
            Form::Boxed(boxed) => boxed.into_tokens(wrap),
        };
        let mut tokens = quote!(#(#attrs)* #vis #sig);
        brace.surround(&mut tokens, |tokens| tokens.extend(quote!(#(#inner_attrs)* #body)));
        tokens
    }
}

fn same_file(a: Span, b: Span) -> bool {
    a.file() == b.file()
}

fn arguments(sig: &Signature, form: &Form) -> Vec<Argument> {
    let mut arguments: Vec<Argument> = Vec::new();
    for input in &sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let Some(pattern) = form.pattern(&input.pat) else {
            continue;
        };
        let plain = matches!(pattern, Pat::Ident(pattern) if pattern.subpat.is_none());
        arguments.extend(bindings(pattern).into_iter().map(|binding| {
            Argument {
                ident: binding.ident.clone(),
                mutability: binding.mutability,
                cfg: input
                    .attrs
                    .iter()
                    .filter(|attribute| attribute.path().is_ident("cfg"))
                    .cloned()
                    .collect(),
                ty: plain.then(|| (*input.ty).clone()),
            }
        }));
    }
    arguments
}

/// The names that a pattern binds, each once.
pub(crate) fn bindings(pattern: &Pat) -> Vec<&PatIdent> {
    let mut bindings = Bindings(Vec::new());
    bindings.visit_pat(pattern);
    bindings.0
}

struct Bindings<'a>(Vec<&'a PatIdent>);

impl<'ast> Visit<'ast> for Bindings<'ast> {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        // In a pattern that cannot fail, a bare word in upper case is a unit struct.
        let bare = pattern.by_ref.is_none() && pattern.mutability.is_none() && pattern.subpat.is_none();
        let upper = pattern.ident.to_string().starts_with(char::is_uppercase);
        // The alternatives of an or-pattern bind the same names.
        let known = self.0.iter().any(|known| known.ident == pattern.ident);
        if !(known || bare && upper) {
            self.0.push(pattern);
        }
        syn::visit::visit_pat_ident(self, pattern);
    }

    // A pattern may hold expressions (paths, constants); they bind nothing.
    fn visit_expr(&mut self, _: &'ast Expr) {}
}
