use cache_runtime::{cached, invalidates};

use crate::AppError;

trait Rates {
    async fn rate(&self, pair: &str) -> Result<u32, AppError>;

    async fn set(&mut self, rate: u32) -> Result<(), AppError>;

    #[cached(resource = "exchange_rates")]
    async fn provided(&self, pair: &str) -> Result<u32, AppError> {
        Ok(self.rate(pair).await? * 2)
    }
}

struct Fixed(u32);

impl Rates for Fixed {
    #[cached(resource = "exchange_rates", key(self.0))]
    async fn rate(&self, pair: &str) -> Result<u32, AppError> {
        if pair.is_empty() {
            Err(AppError("no pair"))
        } else {
            Ok(self.0)
        }
    }

    #[invalidates("exchange_rates")]
    async fn set(&mut self, rate: u32) -> Result<(), AppError> {
        self.0 = rate;
        Ok(())
    }
}

/// The same in a trait that asks for `Send`.
trait SendRates {
    fn rate(&self, pair: &str) -> impl Future<Output = Result<u32, AppError>> + Send;
}

impl SendRates for Fixed {
    #[cached(resource = "exchange_rates", key(self.0))]
    async fn rate(&self, pair: &str) -> Result<u32, AppError> {
        if pair.is_empty() {
            Err(AppError("no pair"))
        } else {
            Ok(self.0)
        }
    }
}

#[tokio::test]
async fn implementations_and_provided_methods_of_native_async_traits_work() {
    let mut rates = Fixed(3);
    assert_eq!(Rates::rate(&rates, "eur-usd").await, Ok(3));
    assert_eq!(Rates::rate(&rates, "").await, Err(AppError("no pair")));
    assert_eq!(SendRates::rate(&rates, "eur-usd").await, Ok(3));
    rates.set(4).await.unwrap();
    assert_eq!(rates.provided("eur-usd").await, Ok(8));
}
