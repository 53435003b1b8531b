//! A function that returns a boxed future: written by hand, or what `#[async_trait]` makes of an `async fn`.
//!
//! ```text
//! fn f(&self, x: X) -> Pin<Box<dyn Future<Output = R> + Send + '_>> {
//!     Box::pin(async move { BODY })
//! }
//!
//! fn f<'life0, 'async_trait>(&'life0 self, x: X, __arg1: (A, B)) -> Pin<Box<dyn Future<Output = R> + Send + 'async_trait>> {
//!     Box::pin(async move {
//!         if let Some(__ret) = None::<R> { return __ret; }
//!         let __self = self;
//!         let x = x;
//!         let (a, b) = { let __arg1 = __arg1; __arg1 };
//!         let __ret: R = { BODY };
//!         __ret
//!     })
//! }
//! ```
//!
//! An attribute that expanded before this one, such as `#[instrument]`, may have put the second form inside further
//! async blocks.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{
    Block, Expr, ExprAsync, GenericParam, Local, Pat, Signature, Stmt, Type,
    parse::Parser,
    visit_mut::{self, VisitMut},
};

/// A boxed function's body.
pub(crate) struct Boxed {
    statements: Vec<Stmt>,
    pub(super) by_async_trait: bool,
    /// The block marked `BODY` above.
    pub(super) user_code: TokenStream,
    /// What `#[async_trait]` has put before it.
    prologue: Vec<Stmt>,
}

/// The statements of a function; `None` if it is half typed.
pub(super) fn statements(body: &TokenStream) -> Option<Vec<Stmt>> {
    Block::parse_within.parse2(body.clone()).ok()
}

impl Boxed {
    /// Finds the body. `None`: it cannot be seen where it begins.
    pub(super) fn find(sig: &Signature, mut statements: Vec<Stmt>) -> Option<Self> {
        let by_async_trait =
            sig.generics.params.iter().any(
                |param| matches!(param, GenericParam::Lifetime(lifetime) if lifetime.lifetime.ident == "async_trait"),
            );
        let found = at_body(&mut statements, by_async_trait, |prologue, body| {
            (body.to_token_stream(), prologue.to_vec())
        });
        let (user_code, prologue) = found?;
        Some(Self {
            statements,
            by_async_trait,
            user_code,
            prologue,
        })
    }

    /// The pattern that the user wrote for a parameter: `#[async_trait]` moves it into the body. `None`: it binds
    /// nothing.
    pub(super) fn pattern_behind<'a>(&'a self, parameter: &'a Pat) -> Option<&'a Pat> {
        match parameter {
            Pat::Ident(ident) if self.by_async_trait && ident.ident.to_string().starts_with("__arg") => {
                self.prologue.iter().find_map(|statement| rebinds(statement, ident))
            }
            Pat::Ident(ident) if self.by_async_trait => Some(self.moved(&ident.ident).unwrap_or(parameter)),
            _ => Some(parameter),
        }
    }

    /// The variable of this name that `#[async_trait]` moves a parameter into.
    pub(super) fn moved(&self, name: &Ident) -> Option<&Pat> {
        self.prologue.iter().find_map(|statement| match statement {
            Stmt::Local(Local { pat, .. }) if matches!(pat, Pat::Ident(variable) if variable.ident == *name) => {
                Some(pat)
            }
            _ => None,
        })
    }

    /// The statements, with `wrap` applied to the body.
    pub(super) fn into_tokens(mut self, wrap: impl FnOnce(TokenStream) -> TokenStream) -> TokenStream {
        at_body(&mut self.statements, self.by_async_trait, |_, body| {
            let wrapped = wrap(body.to_token_stream());
            body.stmts = vec![Stmt::Expr(Expr::Verbatim(wrapped), None)];
        })
        .expect("the body was found when the function was parsed");
        self.statements.into_iter().map(Stmt::into_token_stream).collect()
    }
}

/// Calls `act` with what stands before the body, and with the body.
fn at_body<R>(statements: &mut [Stmt], by_async_trait: bool, act: impl FnOnce(&[Stmt], &mut Block) -> R) -> Option<R> {
    if !by_async_trait {
        return box_pin_async(statements.last_mut()?).map(|body| act(&[], body));
    }
    let mut visitor = AtGeneratedBody {
        act: Some(act),
        result: None,
    };
    for statement in statements {
        visitor.visit_stmt_mut(statement);
    }
    visitor.result
}

/// The block of `Box::pin(async move { ... })`.
fn box_pin_async(statement: &mut Stmt) -> Option<&mut Block> {
    let Stmt::Expr(Expr::Call(call), None) = statement else {
        return None;
    };
    let Expr::Path(function) = &*call.func else {
        return None;
    };
    let mut names = function.path.segments.iter().rev().map(|segment| &segment.ident);
    if !(names.next()? == "pin" && names.next()? == "Box" && call.args.len() == 1) {
        return None;
    }
    match call.args.first_mut()? {
        Expr::Async(block) => Some(&mut block.block),
        _ => None,
    }
}

/// Finds the outermost async block that ends as `#[async_trait]` ends it.
struct AtGeneratedBody<F, R> {
    act: Option<F>,
    result: Option<R>,
}

impl<R, F: FnOnce(&[Stmt], &mut Block) -> R> VisitMut for AtGeneratedBody<F, R> {
    fn visit_expr_async_mut(&mut self, node: &mut ExprAsync) {
        match generated_body(&mut node.block.stmts) {
            Some((prologue, body)) => {
                if let Some(act) = self.act.take() {
                    self.result = Some(act(prologue, body));
                }
            }
            None => visit_mut::visit_expr_async_mut(self, node),
        }
    }
}

/// Splits `prologue; let __ret: R = { BODY }; __ret` and `prologue; let _: () = { BODY };`.
fn generated_body(statements: &mut [Stmt]) -> Option<(&[Stmt], &mut Block)> {
    let after = match statements.last()? {
        Stmt::Expr(Expr::Path(path), None) if path.path.is_ident("__ret") => 1,
        _ => 0,
    };
    let (body, prologue) = statements.get_mut(..statements.len() - after)?.split_last_mut()?;
    let Stmt::Local(Local {
        pat: Pat::Type(pattern),
        init: Some(init),
        ..
    }) = body
    else {
        return None;
    };
    let expected = match (&*pattern.pat, &*pattern.ty) {
        (Pat::Ident(ident), _) => after == 1 && ident.ident == "__ret",
        (Pat::Wild(_), Type::Tuple(unit)) => after == 0 && unit.elems.is_empty(),
        _ => false,
    };
    match &mut *init.expr {
        Expr::Block(block) if expected => Some((prologue, &mut block.block)),
        _ => None,
    }
}

/// The pattern of `let PATTERN = { let parameter = parameter; parameter };`.
fn rebinds<'a>(statement: &'a Stmt, parameter: &syn::PatIdent) -> Option<&'a Pat> {
    let Stmt::Local(Local {
        pat, init: Some(init), ..
    }) = statement
    else {
        return None;
    };
    let Expr::Block(block) = &*init.expr else {
        return None;
    };
    let [
        Stmt::Local(Local {
            pat: Pat::Ident(inner), ..
        }),
        _,
    ] = &*block.block.stmts
    else {
        return None;
    };
    (inner.ident == parameter.ident).then_some(pat)
}
