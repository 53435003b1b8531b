use std::{collections::BTreeMap, sync::Arc};

use cache_runtime::cached;

use crate::{AppError, Filter};

type Answer<T> = Result<T, AppError>;

#[cached(resource = "companies_list")]
async fn nothing() {}

#[cached(resource = "companies_list")]
async fn unit_or_error(n: i32) -> Result<(), AppError> {
    if n < 0 {
        return Err(AppError("negative"));
    }
    Ok(())
}

#[cached(resource = "companies_list")]
async fn alias(n: i32) -> Answer<i32> {
    Ok(n)
}

#[cached(resource = "companies_list")]
async fn option(n: i32) -> Option<Filter> {
    (n > 0).then(Filter::default)
}

#[cached(resource = "companies_list")]
async fn nested(n: u8) -> Result<Option<BTreeMap<String, Vec<u8>>>, AppError> {
    Ok(Some(BTreeMap::from([("n".to_owned(), vec![n])])))
}

#[cached(resource = "companies_list")]
async fn shared(n: i32) -> Arc<Vec<i32>> {
    Arc::new(vec![n])
}

#[cached(resource = "companies_list")]
async fn boxed_error(n: i32) -> Result<i32, Box<dyn std::error::Error + Send + Sync>> {
    if n < 0 {
        return Err("negative".into());
    }
    let parsed: i32 = n.to_string().parse()?;
    Ok(parsed)
}

/// `Send`, and not `Sync`: neither this nor a reference to it may be held while the cache is waited for.
#[cached(resource = "companies_list")]
async fn error_that_is_not_sync(n: i32) -> Result<u32, Box<dyn std::error::Error + Send>> {
    u32::try_from(n).map_err(|error| Box::new(error) as _)
}

#[cached(resource = "companies_list", near = "tracked")]
async fn near_with_an_error_that_is_not_sync(n: i32) -> Result<u32, Box<dyn std::error::Error + Send>> {
    u32::try_from(n).map_err(|error| Box::new(error) as _)
}

#[cached(resource = "companies_list")]
async fn value_that_is_not_sync(n: i32) -> std::cell::Cell<i32> {
    std::cell::Cell::new(n)
}

#[cache_runtime::invalidates("companies_list")]
async fn mutation_with_an_error_that_is_not_sync(
    n: i32,
) -> Result<std::cell::Cell<u32>, Box<dyn std::error::Error + Send>> {
    u32::try_from(n)
        .map(std::cell::Cell::new)
        .map_err(|error| Box::new(error) as _)
}

#[tokio::test]
async fn calls_can_be_spawned_whose_results_are_send_and_not_sync() {
    let spawned = |n| async move {
        let plain = tokio::spawn(error_that_is_not_sync(n)).await.unwrap().ok();
        let near = tokio::spawn(near_with_an_error_that_is_not_sync(n)).await.unwrap().ok();
        let value = tokio::spawn(value_that_is_not_sync(n)).await.unwrap().get();
        let mutation = tokio::spawn(mutation_with_an_error_that_is_not_sync(n))
            .await
            .unwrap()
            .ok();
        (plain, near, value, mutation.map(|cell| cell.get()))
    };
    assert_eq!(spawned(1).await, (Some(1), Some(1), 1, Some(1)));
    assert_eq!(spawned(-1).await, (None, None, -1, None));
}

#[tokio::test]
async fn every_kind_of_return_type_works() {
    nothing().await;
    assert_eq!(unit_or_error(1).await, Ok(()));
    assert_eq!(unit_or_error(-1).await, Err(AppError("negative")));
    assert_eq!(alias(2).await, Ok(2));
    assert_eq!(option(0).await, None);
    assert_eq!(nested(3).await, Ok(Some(BTreeMap::from([("n".to_owned(), vec![3])]))));
    assert_eq!(*shared(4).await, [4]);
    assert_eq!(boxed_error(5).await.unwrap(), 5);
    assert!(boxed_error(-5).await.is_err());
}

/// What a call returns the first time and the second time: a number that every load raises, in what was asked for.
macro_rules! loads_of {
    ($($name:ident: $ret:ty = |$n:ident| $value:expr;)+) => {$(
        #[cached(resource = "companies_list", independent(loads))]
        async fn $name(loads: &std::sync::atomic::AtomicU32) -> $ret {
            let $n = loads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            $value
        }
    )+};
}

type Found<T> = Result<Option<T>, AppError>;

loads_of! {
    nothing_found: Result<Option<u32>, AppError> = |_n| Ok(None);
    nothing_found_by_alias: Found<u32> = |_n| Ok(None);
    something_found: Found<u32> = |n| Ok(Some(n));
    an_error_inside: Option<Result<u32, AppError>> = |_n| Some(Err(AppError("inside")));
    nothing_outside: Option<Result<u32, AppError>> = |_n| None;
    something_inside: Option<Result<u32, AppError>> = |n| Some(Ok(n));
    nothing_deep_down: Result<Result<Option<u32>, AppError>, String> = |_n| Ok(Ok(None));
    an_error_deep_down: Result<Option<Result<u32, AppError>>, String> = |_n| Ok(Some(Err(AppError("deep"))));
    something_deep_down: Result<Result<Option<u32>, AppError>, String> = |n| Ok(Ok(Some(n)));
    some_nothing: Option<Option<u32>> = |_n| Some(None);
    some_something: Option<Option<u32>> = |n| Some(Some(n));
    a_list_with_nothing_in_it: Result<Vec<Option<u32>>, AppError> = |n| Ok(vec![None, Some(n)]);
}

#[tokio::test]
async fn neither_none_nor_err_is_stored_however_they_are_nested() {
    macro_rules! runs_its_body {
        ($($name:ident $times:literal;)+) => {$(
            let cache = cache_runtime::Cache::builder().build();
            let loads = std::sync::atomic::AtomicU32::new(0);
            cache_runtime::with_cache(cache, async {
                let first = $name(&loads).await;
                assert_eq!($name(&loads).await, first, "{}", stringify!($name));
            })
            .await;
            assert_eq!(loads.into_inner(), $times, "{}", stringify!($name));
        )+};
    }
    runs_its_body! {
        nothing_found 2;
        nothing_found_by_alias 2;
        something_found 1;
        an_error_inside 2;
        nothing_outside 2;
        something_inside 1;
        nothing_deep_down 2;
        an_error_deep_down 2;
        something_deep_down 1;
        some_nothing 2;
        some_something 1;
        a_list_with_nothing_in_it 1;
    }
}
