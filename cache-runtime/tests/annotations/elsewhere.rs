use cache_runtime::{cached, invalidates};

mod inner {
    pub(super) mod deeper {
        use cache_runtime::cached;

        #[cached(resource = "companies_list")]
        pub(in crate::elsewhere) async fn get(n: i32) -> i32 {
            n
        }
    }
}

#[cached(resource = "companies_list")]
#[cfg(not(windows))]
async fn under_cfg(n: i32) -> i32 {
    n
}

#[cached(resource = "companies_list")]
#[cfg(any())]
async fn left_out(n: Missing) -> Missing {
    n
}

#[cached(resource = "companies_list")]
async fn with_an_inner_attribute(n: i32) -> i32 {
    #![expect(unused_variables, reason = "to see that inner attributes reach the compiler")]
    let unused = 1;
    n
}

#[cached(resource = "companies_list")]
async fn never_returns_normally(n: i32) -> Result<i32, String> {
    if n > 0 {
        return Ok(n);
    }
    panic!("{n} is not positive");
}

macro_rules! service {
    ($name:ident, $argument:ident: $ty:ty => $output:ty, $body:expr) => {
        #[cached(resource = "companies_list")]
        async fn $name($argument: $ty) -> $output {
            $body
        }
    };
}

service!(from_a_macro, n: i32 => Option<i32>, Some(n + 1));

#[cached(resource = "companies_list")]
#[invalidates("invoices_list")]
async fn both(n: i32) -> i32 {
    n
}

#[tokio::test]
async fn functions_inside_modules_functions_and_macros_work() {
    #[cached(resource = "companies_list")]
    async fn local(n: i32) -> i32 {
        #[cached(resource = "companies_list")]
        async fn more_local(n: i32) -> i32 {
            n + 1
        }
        more_local(n).await + 1
    }

    assert_eq!(inner::deeper::get(1).await, 1);
    assert_eq!(under_cfg(2).await, 2);
    assert_eq!(with_an_inner_attribute(3).await, 3);
    assert_eq!(never_returns_normally(4).await, Ok(4));
    assert_eq!(from_a_macro(5).await, Some(6));
    assert_eq!(both(6).await, 6);
    assert_eq!(local(7).await, 9);
}
