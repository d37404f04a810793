//! Lost races are everyday weather: the whole operation is run again.

use std::{error::Error, future::Future, time::Duration};

use crate::StoreError;

const TRIES: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Runs an operation again for as long as it loses races (SQLSTATE 40001, 40P01), up to ten times. It must be safe
/// to run twice: everything it does is in its transaction.
///
/// Any error whose chain of sources holds [`StoreError::Contended`] counts, so services' own enums do.
pub async fn retrying<T, E, F, Fut>(mut operation: F) -> Result<T, E>
where
    E: Error + 'static,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match operation().await {
            Err(error) if lost_a_race(&error) => {
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            done => return done,
        }
    }
    operation().await
}

fn lost_a_race(error: &(dyn Error + 'static)) -> bool {
    let mut link = Some(error);
    while let Some(error) = link {
        if matches!(error.downcast_ref(), Some(StoreError::Contended(_))) {
            return true;
        }
        link = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Wrapped {
        #[error("storing")]
        Store(#[from] StoreError),
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_race_is_run_again_even_inside_another_error() {
        let mut runs = 0;
        let done: Result<i32, Wrapped> = retrying(|| {
            runs += 1;
            let run = runs;
            async move {
                if run < 4 {
                    Err(StoreError::Contended(None).into())
                } else {
                    Ok(run)
                }
            }
        })
        .await;
        assert_eq!(done.expect("the fourth run wins"), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_after_ten_and_at_once_on_anything_else() {
        let mut runs = 0;
        let lost: Result<(), StoreError> = retrying(|| {
            runs += 1;
            async { Err(StoreError::Contended(None)) }
        })
        .await;
        assert!(matches!(lost, Err(StoreError::Contended(_))));
        assert_eq!(runs, 10);

        let mut runs = 0;
        let failed: Result<(), StoreError> = retrying(|| {
            runs += 1;
            async { Err(StoreError::Damaged("so".into())) }
        })
        .await;
        assert!(failed.is_err());
        assert_eq!(runs, 1);
    }
}
