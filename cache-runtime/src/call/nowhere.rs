//! A place for nothing.

/// Something to assign nothing to. Only for what is said of the place that is assigned to: clippy does not count it as used.
pub const fn nowhere((): ()) -> &'static mut [(); 0] {
    &mut []
}
