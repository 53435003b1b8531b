//! How annotated functions become known: what they submit is put into a list before `main` runs.
//!
//! As `inventory` does it, which has the registries. What that expands to has unsafe code in it, and these expand to something in the bodies of
//! methods: whoever looks for unsafe code in the methods of a type (clippy's `unsafe_derive_deserialize`) would find it there. So
//! the list is made of what is safe: links that are set once, and a mutex.

use std::{iter, sync::OnceLock};

use super::{FunctionSite, MutationSite};
use crate::sync::Mutex;

/// Something submitted, in a list of its kind.
#[doc(hidden)]
#[derive(Debug)]
pub struct Submission<T: 'static> {
    site: T,
    /// What was submitted before; set when this is.
    before: OnceLock<Option<&'static Self>>,
}

/// The last that was submitted, from which the others are reached.
#[doc(hidden)]
#[derive(Debug)]
pub struct Submissions<T: 'static>(Mutex<Option<&'static Submission<T>>>);

/// What is submitted.
#[doc(hidden)]
pub trait Submitted: Sized + 'static {
    /// The list of its kind.
    fn list() -> &'static Submissions<Self>;
}

impl Submitted for FunctionSite {
    fn list() -> &'static Submissions<Self> {
        static FUNCTIONS: Submissions<FunctionSite> = Submissions(Mutex::new(None));
        &FUNCTIONS
    }
}

impl Submitted for MutationSite {
    fn list() -> &'static Submissions<Self> {
        static MUTATIONS: Submissions<MutationSite> = Submissions(Mutex::new(None));
        &MUTATIONS
    }
}

impl<T: Submitted> Submission<T> {
    /// Not submitted yet.
    pub const fn new(site: T) -> Self {
        Self {
            site,
            before: OnceLock::new(),
        }
    }

    /// Puts it into the list, once. Runs before `main`: it allocates nothing, and panics nowhere.
    pub fn submit(&'static self) {
        let mut last = T::list().0.lock();
        if self.before.set(*last).is_ok() {
            *last = Some(self);
        }
    }
}

/// All that was submitted, in no order.
pub(super) fn submitted<T: Submitted>() -> impl Iterator<Item = &'static T> {
    let last = *T::list().0.lock();
    let before = |submission: &&'static Submission<T>| submission.before.get().copied().flatten();
    iter::successors(last, before).map(|submission| &submission.site)
}

/// Submits a site. Where the linker keeps them, the functions in this section are called by whatever starts the program.
#[doc(hidden)]
#[macro_export]
macro_rules! __submit {
    ($kind:ident $($site:tt)*) => {
        const _: () = {
            static SUBMISSION: $crate::__private::Submission<$crate::__private::$kind> =
                $crate::__private::Submission::new($crate::__private::$kind $($site)*);

            extern "C" fn submit() {
                $crate::__private::Submission::submit(&SUBMISSION);
            }

            #[used]
            #[cfg_attr(windows, unsafe(link_section = ".CRT$XCU"))]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs"))]
            #[cfg_attr(not(any(windows, target_vendor = "apple")), unsafe(link_section = ".init_array"))]
            static AT_START: extern "C" fn() = submit;
        };
    };
}
