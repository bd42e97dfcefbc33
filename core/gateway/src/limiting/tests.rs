use super::*;
use crate::access::Roles;
use synod_identity::Principal;

fn rate(count: u32) -> Option<Rate> {
    Some(Rate { count, per: Duration::from_secs(3600), burst: count })
}

fn quotas() -> Quotas {
    let nothing = Quota::default();
    Quotas {
        address: None,
        exempt: Vec::new(),
        principal: nothing,
        principals: IndexMap::new(),
        tenant: nothing,
        tenants: IndexMap::new(),
        routes: IndexMap::new(),
        keys: 1600,
    }
}

fn caller(subject: &str, tenant: Option<&str>) -> Caller {
    let principal = Principal {
        subject: subject.into(),
        issuer: "bank".into(),
        tenant: tenant.map(str::to_owned),
        roles: Default::default(),
        scopes: Default::default(),
        expires: 0,
    };
    Caller::known(principal, &Roles::default())
}

fn anonymous() -> Caller {
    Caller::anonymous(&[], &Roles::default())
}

fn call(limiting: &Arc<Limiting>, address: &str) -> Arc<Call> {
    Call::new(limiting, address.parse().unwrap())
}

/// The policy that a caller's request on a route runs into.
fn runs_into(limiting: &Arc<Limiting>, caller: &Caller, route: &str) -> Option<&'static str> {
    match call(limiting, "192.0.2.1").by_caller(caller, route) {
        Ok(_) => None,
        Err(Refused::Quota(standing, _)) => Some(standing.policy),
        Err(Refused::Beyond { policy, .. }) => Some(policy),
    }
}

#[test]
fn an_address_has_its_quota_and_half_an_address_of_version_six_is_one() {
    let exempt = vec!["127.0.0.0/8".parse().unwrap()];
    let limiting = Limiting::new(&Quotas { address: rate(2), exempt, ..quotas() }, 0);
    let passes = |address: &str| call(&limiting, address).by_address().is_ok();
    assert_eq!(["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"].map(passes), [true, true, false, true]);
    assert_eq!(["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"].map(passes), [true, true, false, true]);
    assert!((0..10).all(|_| passes("127.9.9.9")), "it is exempt");
    assert_eq!(limiting.keys()[0], ("address", 4));
}

#[test]
fn principals_tenants_and_routes_have_quotas_of_their_own() {
    let quota = |count| Quota { requests: rate(count), ..Quota::default() };
    let own = [("bank:big".to_owned(), quota(4)), ("bank:free".to_owned(), Quota::default())].into();
    let routes = [("/v1/decisions".to_owned(), quota(1))].into();
    let configured = Quotas { principal: quota(2), principals: own, tenant: quota(5), routes, ..quotas() };
    let limiting = Limiting::new(&configured, 0);
    let ask = |caller: &Caller, route: &str| runs_into(&limiting, caller, route);
    let ana = caller("ana", None);
    assert_eq!([0; 3].map(|_| ask(&ana, "/v1/score")), [None, None, Some("principal")]);
    let big = caller("big", Some("north"));
    assert_eq!([0; 5].map(|_| ask(&big, "/v1/score")), [None, None, None, None, Some("principal")]);
    let colleague = caller("colleague", Some("north"));
    assert_eq!([0; 2].map(|_| ask(&colleague, "/v1/score")), [None, Some("tenant")], "the tenant's is for all of its principals");
    let free = caller("free", None);
    assert_eq!([0; 9].map(|_| ask(&free, "/v1/score")), [None; 9]);
    assert_eq!([0; 2].map(|_| ask(&free, "/v1/decisions")), [None, Some("route")]);
    assert_eq!(ask(&caller("other", None), "/v1/decisions"), None, "a route's quota is for each caller");
}

#[test]
fn who_has_no_name_is_told_apart_by_address() {
    let limiting = Limiting::new(&Quotas { principal: Quota { requests: rate(1), ..Quota::default() }, ..quotas() }, 0);
    let passes = |address: &str| call(&limiting, address).by_caller(&anonymous(), "/v1/score").is_ok();
    assert_eq!(["192.0.2.1", "192.0.2.1", "192.0.2.2"].map(passes), [true, false, true]);
}

#[test]
fn places_are_taken_for_a_request_and_given_back() {
    let limiting = Limiting::new(&Quotas { principal: Quota { concurrent: Some(2), ..Quota::default() }, ..quotas() }, 0);
    let ana = caller("ana", None);
    let enter = || call(&limiting, "192.0.2.1").by_caller(&ana, "/v1/score");
    let places = [enter().unwrap(), enter().unwrap()];
    let refused = call(&limiting, "192.0.2.1");
    let expected = Standing { policy: "principal-concurrent", unit: Unit::Concurrent, quota: 2, window: None, remaining: 0, reset: None };
    assert_eq!(refused.by_caller(&ana, "/v1/score").unwrap_err(), Refused::Quota(expected, Duration::from_secs(1)));
    assert_eq!(refused.standing(), Some(expected));
    drop(places);
    assert!(enter().is_ok());
}

#[test]
fn rows_are_counted_and_more_than_a_burst_is_never_waited_for() {
    let quota = Quota { rows: rate(100), requests: rate(50), ..Quota::default() };
    let limiting = Limiting::new(&Quotas { principal: quota, ..quotas() }, 0);
    let call = call(&limiting, "192.0.2.1");
    call.by_caller(&caller("ana", None), "/v1/score").unwrap();
    assert_eq!(call.rows(101), Err(Refused::Beyond { policy: "principal-rows", most: 100 }));
    assert_eq!(call.rows(usize::MAX), Err(Refused::Beyond { policy: "principal-rows", most: 100 }));
    assert_eq!((call.rows(0), call.rows(60)), (Ok(()), Ok(())));
    let told = call.standing().unwrap();
    assert_eq!((told.policy, told.remaining), ("principal-rows", 40), "the tightest is told");
    let Err(Refused::Quota(standing, wait)) = call.rows(60) else { panic!("there are 40 left") };
    assert_eq!((standing.policy, standing.remaining, whole_seconds(wait)), ("principal-rows", 0, 720));
}

#[test]
fn a_tenant_has_one_lane_and_who_has_none_has_its_own() {
    let limiting = Limiting::new(&quotas(), 0);
    let lane = |caller: &Caller, address: &str| {
        let call = call(&limiting, address);
        call.by_caller(caller, "/v1/score").unwrap();
        call.lane()
    };
    let (north, also_north) = (caller("ana", Some("north")), caller("bob", Some("north")));
    assert_eq!(lane(&north, "192.0.2.1"), lane(&also_north, "192.0.2.2"));
    let lanes = [lane(&north, "::1"), lane(&caller("ana", None), "::1"), lane(&caller("bob", None), "::1"), lane(&anonymous(), "::1")];
    let different: std::collections::BTreeSet<Key> = lanes.into_iter().chain([lane(&anonymous(), "192.0.2.1")]).collect();
    assert_eq!(different.len(), 5);
}

#[test]
fn the_memory_of_a_body_is_given_back_with_its_request() {
    let limiting = Limiting::new(&quotas(), 100);
    let (one, other) = (call(&limiting, "192.0.2.1"), call(&limiting, "192.0.2.2"));
    assert!(one.hold(80) && !other.hold(30) && other.hold(20));
    drop(one);
    assert!(other.hold(50) && limiting.memory().held() == 70);
}

/// Prints and does not judge.
#[test]
fn the_quotas_of_a_request_are_timed() {
    let quota = Quota { requests: rate(1_000_000_000), rows: rate(1_000_000_000), concurrent: Some(1000) };
    let configured = Quotas { address: rate(1_000_000_000), principal: quota, tenant: quota, ..quotas() };
    let limiting = Limiting::new(&configured, 1 << 20);
    let (caller, rounds) = (caller("ana", Some("north")), 100_000_u32);
    let started = std::time::Instant::now();
    for _ in 0..rounds {
        let call = call(&limiting, "192.0.2.1");
        call.by_address().unwrap();
        let places = call.by_caller(&caller, "/v1/score").unwrap();
        call.rows(1).unwrap();
        assert!(call.hold(300) && call.standing().is_some());
        drop(places);
    }
    println!("the quotas of a request take {:?}", started.elapsed() / rounds);
}
