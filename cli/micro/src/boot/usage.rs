//! `auth.Usage`: what each service has counted of its namespace's limits, in one answer with the whole table.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;
use micro_domain::{Limit, Limits};
use micro_error::Error;
use micro_proto::auth::{LimitUse, Usage, UsageRequest, UsageResponse, UsageServer};
use micro_rpc::Service;
use micro_tenancy::{Caller, Reports};

/// Services at work, and those of them that count.
#[derive(Default)]
pub struct Serving {
    /// What they answer.
    pub services: Vec<Arc<dyn Service>>,
    /// Each answers for the limits that it enforces.
    pub reports: Vec<Arc<dyn Reports>>,
}

impl Serving {
    /// More of them.
    pub fn extend(&mut self, more: Self) {
        self.services.extend(more.services);
        self.reports.extend(more.reports);
    }

    /// What all of them answer, and what they count beside it.
    pub fn counted(mut self, limits: Limits) -> Vec<Arc<dyn Service>> {
        let counters = Counters {
            reports: self.reports,
            limits,
        };
        self.services.push(Arc::new(UsageServer::new(Arc::new(counters))));
        self.services
    }
}

/// Those who count.
struct Counters {
    reports: Vec<Arc<dyn Reports>>,
    /// What the plan allows.
    limits: Limits,
}

#[async_trait]
impl Usage for Counters {
    async fn read(&self, caller: &Caller, request: UsageRequest) -> Result<UsageResponse, Error> {
        let named = request.options.unwrap_or_default().namespace;
        let tenant = caller.enter(&named).map_err(|e| e.with_id("auth.Usage.Read"))?;
        let counts = self.reports.iter().map(|reports| reports.usage(&tenant));
        let counts = try_join_all(counts).await?;
        let counted: Vec<(&'static str, _)> = self
            .reports
            .iter()
            .zip(counts)
            .flat_map(|(reports, counts)| counts.into_iter().map(|used| (reports.service(), used)))
            .collect();
        let mut limits = Vec::new();
        for limit in self.limits.all() {
            let of_it = counted.iter().filter(|(_, used)| used.limit.name == limit.name);
            let before = limits.len();
            limits.extend(of_it.map(|(service, used)| row(used.limit, service, Some(used.used))));
            if limits.len() == before {
                limits.push(row(limit, "", None));
            }
        }
        Ok(UsageResponse { limits })
    }
}

fn row(limit: Limit, service: &str, used: Option<u64>) -> LimitUse {
    LimitUse {
        name: limit.name.into(),
        service: service.into(),
        used,
        max: limit.max,
        unit: limit.unit().into(),
    }
}

#[cfg(test)]
mod tests {
    use micro_tenancy::{AccountKind, Authority, Principal, Reach, Tenant, Used};

    use super::*;

    struct Counts(&'static str, Limit, u64);

    #[async_trait]
    impl Reports for Counts {
        fn service(&self) -> &'static str {
            self.0
        }

        async fn usage(&self, _: &Tenant) -> Result<Vec<Used>, Error> {
            Ok(vec![Used {
                limit: self.1,
                used: self.2,
            }])
        }
    }

    fn ada() -> Caller {
        #[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
        let authority = Authority::for_boot();
        let name = micro_domain::NamespaceName::parse("ada-ns").expect("valid");
        authority.verified(Principal {
            namespace: micro_domain::Namespace::of_local(name),
            account: micro_domain::AccountId::new("ada"),
            name: "ada".into(),
            kind: AccountKind::User,
            scopes: vec![],
            session: None,
            instance: None,
            reach: Reach::Own,
        })
    }

    #[tokio::test]
    async fn every_limit_is_there_once_or_once_for_each_service_that_counts_it() {
        let limits = Limits::DEVELOPER;
        let counters = Counters {
            reports: vec![
                Arc::new(Counts("events", limits.topics, 3)),
                Arc::new(Counts("broker", limits.topics, 1)),
            ],
            limits,
        };
        let rows = counters
            .read(&ada(), UsageRequest::default())
            .await
            .expect("own")
            .limits;
        assert_eq!(rows.len(), limits.all().len() + 1);
        let topics: Vec<_> = rows.iter().filter(|row| row.name == "topics").collect();
        let shown = |row: &&LimitUse| (row.service.clone(), row.used, row.max);
        assert_eq!(
            topics.iter().map(shown).collect::<Vec<_>>(),
            [("events".into(), Some(3), 1_000), ("broker".into(), Some(1), 1_000)]
        );
        let value = rows.iter().find(|row| row.name == "value.bytes").expect("listed");
        assert_eq!(
            (value.used, value.unit.as_str()),
            (None, "bytes"),
            "nothing was measured"
        );
    }

    #[tokio::test]
    async fn another_namespaces_use_is_nobodys_business() {
        let counters = Counters {
            reports: vec![],
            limits: Limits::DEVELOPER,
        };
        let options = Some(micro_proto::auth::Options {
            namespace: "bobs-ns".into(),
        });
        let refused = counters
            .read(&ada(), UsageRequest { options })
            .await
            .expect_err("bob's");
        assert_eq!(refused.to_wire().code, 403);
        assert!(
            counters
                .read(&Caller::anonymous(), UsageRequest::default())
                .await
                .is_err()
        );
    }
}
