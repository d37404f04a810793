//! Writers whose connections are cut, again and again.

use std::future::Future;

use micro_testkit::TestDb;
use tokio::sync::mpsc;

const WRITERS: usize = 16;
const EACH: usize = 150;
/// After so many acknowledged writes all hot connections are cut.
const BETWEEN: usize = 200;

/// What was acknowledged to them. `write` is told which writer and which of its writes it is; what is not acknowledged
/// may be there or not.
pub async fn acknowledged<T, W>(test: &TestDb, write: impl Fn(usize, usize) -> W + Clone + Send + 'static) -> Vec<T>
where
    T: Send + 'static,
    W: Future<Output = Option<T>> + Send,
{
    let (done, mut acknowledged) = mpsc::unbounded_channel();
    let writers = (0..WRITERS).map(|writer| {
        let (write, done) = (write.clone(), done.clone());
        tokio::spawn(async move {
            for number in 0..EACH {
                if let Some(one) = write(writer, number).await {
                    done.send(one).expect("heard");
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    drop(done);
    let mut all = Vec::new();
    while let Some(one) = acknowledged.recv().await {
        all.push(one);
        if all.len() % BETWEEN == 0 {
            test.as_superuser(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'micro hot' and datname = current_database()",
            )
            .await;
        }
    }
    futures::future::try_join_all(writers).await.expect("ended");
    assert!(all.len() > WRITERS * EACH / 3, "only {} were acknowledged", all.len());
    all
}
