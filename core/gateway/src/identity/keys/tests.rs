use super::*;
use crate::config;
use synod_identity::{API_KEY_ISSUER, Principal};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

const CONFIGURATION: &str = "
version: 1
schema: {fields: {a: {type: number}}}
features: {a: {expression: a}}
detectors: {forest: {plugin: x}}
roles: {desk: [score:detector/forest]}
identity: {keys: {lifetime: 30d, maximum_lifetime: 90d}}
";

struct Kept {
    folder: tempfile::TempDir,
    keys: ApiKeys,
}

fn kept() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let keys = opened(&folder).unwrap();
    Kept { folder, keys }
}

fn opened(folder: &tempfile::TempDir) -> Result<ApiKeys, KeysError> {
    let config = config::archived(CONFIGURATION, "test").unwrap();
    ApiKeys::open(&config, &DataDirectory::open(folder.path().join("data")).unwrap())
}

fn asked(roles: &[&str], scopes: &[&str]) -> NewKey {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    NewKey { roles: texts(roles), scopes: texts(scopes), ..NewKey::default() }
}

fn caller(roles: &[&str], tenant: Option<&str>) -> Caller {
    let principal = Principal {
        subject: "ana".into(),
        issuer: "bank".into(),
        tenant: tenant.map(str::to_owned),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        scopes: BTreeSet::new(),
        expires: 0,
    };
    Caller::known(principal, &Roles::default())
}

fn verify(keys: &ApiKeys, text: &ApiKeyText, now: u64) -> Result<Caller, &'static str> {
    keys.verify(&PresentedApiKey::parse(text.reveal()).unwrap(), now)
}

#[test]
fn a_key_that_was_made_is_known_at_once_here_and_after_a_look_elsewhere() {
    let here = kept();
    let elsewhere = opened(&here.folder).unwrap();
    let made = here.keys.create(asked(&["scorer"], &["score:detector/forest"]), Manager::CommandLine, NOW).unwrap();
    let caller = verify(&here.keys, &made.text, NOW).unwrap();
    assert_eq!(caller.name(), format!("{API_KEY_ISSUER}:{}", made.entry.id));
    assert!(caller.may(&Permission::ScoreDetector("forest".into())) && !caller.may(&Permission::ScorePolicy));
    assert_eq!(verify(&elsewhere, &made.text, NOW).unwrap_err(), "key_unknown");
    let generation = elsewhere.generation();
    elsewhere.look(false);
    assert!(verify(&elsewhere, &made.text, NOW).is_ok() && elsewhere.generation() > generation);
    assert_eq!(verify(&elsewhere, &made.text, NOW + 30 * DAY).unwrap_err(), "key_expired");
    let kept = std::fs::read_to_string(here.folder.path().join("data/keys.json")).unwrap();
    assert!(!kept.contains(made.text.reveal().split('_').nth(2).unwrap()), "the secret is not kept");
}

#[test]
fn a_revoked_key_is_refused_whoever_knows_its_secret() {
    let Kept { folder: _folder, keys } = kept();
    let made = keys.create(asked(&["viewer"], &[]), Manager::CommandLine, NOW).unwrap();
    keys.revoke(&made.entry.id, Manager::CommandLine, NOW + 1).unwrap();
    let again = keys.revoke(&made.entry.id, Manager::CommandLine, NOW + 9).unwrap();
    assert_eq!(again.revoked, Some(NOW + 1));
    assert_eq!(verify(&keys, &made.text, NOW + 1).unwrap_err(), "key_revoked");
    assert!(matches!(keys.rotate(&made.entry.id, Duration::ZERO, Manager::CommandLine, NOW + 2), Err(KeysError::Ended)));
    assert!(matches!(keys.revoke("0123456789abcdef", Manager::CommandLine, NOW), Err(KeysError::NoKey)));
}

#[test]
fn a_rotated_key_holds_for_its_overlap_and_its_successor_as_long_as_it_was_to() {
    let Kept { folder: _folder, keys } = kept();
    let old = keys.create(NewKey { label: Some("switch".into()), ..asked(&["viewer"], &[]) }, Manager::CommandLine, NOW).unwrap();
    let later = NOW + 10 * DAY;
    let new = keys.rotate(&old.entry.id, Duration::from_secs(60), Manager::CommandLine, later).unwrap();
    assert_ne!(new.entry.id, old.entry.id);
    assert_eq!((new.entry.label.as_deref(), new.entry.expires), (Some("switch"), later + 30 * DAY));
    assert!(verify(&keys, &old.text, later + 59).is_ok() && verify(&keys, &new.text, later + 61).is_ok());
    assert_eq!(verify(&keys, &old.text, later + 60).unwrap_err(), "key_expired");
    let listed = keys.list(Manager::CommandLine).unwrap();
    assert_eq!(KeyState::of(&listed[0], later), KeyState::Replaced);
    assert_eq!(KeyState::of(&listed[0], later + 60), KeyState::Expired);
    assert_eq!((listed[0].replaced_by.as_ref(), listed[1].replaces.as_ref()), (Some(&new.entry.id), Some(&old.entry.id)));
    let twice = keys.rotate(&old.entry.id, Duration::ZERO, Manager::CommandLine, later).unwrap_err();
    assert!(matches!(twice, KeysError::Rotated { by } if by == new.entry.id));
}

#[test]
fn what_is_asked_for_wrongly_is_named() {
    let Kept { folder: _folder, keys } = kept();
    let of = |new: NewKey| keys.create(new, Manager::CommandLine, NOW).unwrap_err().to_string();
    let table = [
        (asked(&[], &[]), "roles: name at least one of admin, analyst, desk"),
        (asked(&["scorr"], &[]), "roles: there is no role `scorr`; there are admin"),
        (asked(&["scorer"], &["scroe"]), "scopes: `scroe` is no permission"),
        (asked(&["scorer"], &["score:detector/oak"]), "scopes: there is no detector `oak`; there are forest"),
        (asked(&["viewer"], &["score"]), "scopes: score is more than the roles viewer allow"),
        (NewKey { tenant: Some(" north".into()), ..asked(&["viewer"], &[]) }, "tenant: must have 1 to 255 bytes"),
        (NewKey { label: Some(String::new()), ..asked(&["viewer"], &[]) }, "label: must have 1 to 255 bytes"),
        (NewKey { lifetime: Some(Duration::from_secs(91 * DAY)), ..asked(&["viewer"], &[]) }, "from a second to 90 days"),
        (NewKey { lifetime: Some(Duration::ZERO), ..asked(&["viewer"], &[]) }, "from a second to 90 days"),
        (asked(&["viewer"; 33], &[]), "roles: a key has at most 32 roles"),
    ];
    for (new, wanted) in table {
        let error = of(new);
        assert!(error.contains(wanted), "{wanted} in {error}");
    }
    assert!(keys.list(Manager::CommandLine).unwrap().is_empty());
}

#[test]
fn nobody_gives_away_what_they_do_not_have() {
    let Kept { folder: _folder, keys } = kept();
    let scorer = caller(&["scorer"], None);
    let beyond = keys.create(asked(&["admin"], &[]), Manager::Caller(&scorer), NOW).unwrap_err();
    assert!(matches!(beyond, KeysError::BeyondOwn(_)), "{beyond}");
    keys.create(asked(&["admin"], &["score"]), Manager::Caller(&scorer), NOW).unwrap();
    let of_admin = keys.create(asked(&["admin"], &[]), Manager::CommandLine, NOW).unwrap();
    let stolen = keys.rotate(&of_admin.entry.id, Duration::ZERO, Manager::Caller(&scorer), NOW).unwrap_err();
    assert!(matches!(stolen, KeysError::BeyondOwn(_)), "{stolen}");
    assert!(verify(&keys, &of_admin.text, NOW).is_ok(), "nothing changed");
}

#[test]
fn a_tenant_manages_its_own_keys_alone() {
    let Kept { folder: _folder, keys } = kept();
    let (north, all) = (caller(&["admin"], Some("north")), caller(&["admin"], None));
    let own = keys.create(asked(&["viewer"], &[]), Manager::Caller(&north), NOW).unwrap();
    assert_eq!((own.entry.tenant.as_deref(), own.entry.created_by.as_str()), (Some("north"), "bank:ana"));
    let of = |tenant: &str| NewKey { tenant: Some(tenant.into()), ..asked(&["viewer"], &[]) };
    assert!(matches!(keys.create(of("south"), Manager::Caller(&north), NOW), Err(KeysError::OtherTenant)));
    let other = keys.create(of("south"), Manager::Caller(&all), NOW).unwrap();
    let unbound = keys.create(asked(&["viewer"], &[]), Manager::Caller(&all), NOW).unwrap();
    for id in [&other.entry.id, &unbound.entry.id] {
        assert!(matches!(keys.revoke(id, Manager::Caller(&north), NOW), Err(KeysError::NoKey)));
        assert!(matches!(keys.rotate(id, Duration::ZERO, Manager::Caller(&north), NOW), Err(KeysError::NoKey)));
    }
    assert_eq!(keys.list(Manager::Caller(&north)).unwrap().len(), 1);
    assert_eq!(keys.list(Manager::Caller(&all)).unwrap().len(), 3);
}

#[test]
fn a_broken_file_keeps_the_keys_that_were_read_before() {
    let Kept { folder, keys } = kept();
    let made = keys.create(asked(&["viewer"], &[]), Manager::CommandLine, NOW).unwrap();
    let path = folder.path().join("data/keys.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let generation = keys.generation();
    for broken in ["{", &good.replace("\"roles\"", "\"limits\": 1, \"roles\""), &good.replace("\"format\": 1", "\"format\": 2")] {
        std::fs::write(&path, broken).unwrap();
        keys.look(true);
        assert!(verify(&keys, &made.text, NOW).is_ok() && keys.generation() == generation, "{broken}");
        let error = opened(&folder).unwrap_err().to_string();
        assert!(error.contains("keys.json"), "{error}");
        assert!(keys.create(asked(&["viewer"], &[]), Manager::CommandLine, NOW).is_err(), "nothing is overwritten");
    }
    std::fs::remove_file(&path).unwrap();
    keys.look(true);
    assert!(verify(&keys, &made.text, NOW).is_ok());
    let unknown_scope = good.replace("\"created\"", "\"scopes\": [\"fly\"], \"created\"");
    std::fs::write(&path, unknown_scope).unwrap();
    let error = opened(&folder).unwrap_err().to_string();
    assert!(error.contains("`fly` is no permission") && error.contains(&made.entry.id), "what may be a limit is not left out: {error}");
}

#[test]
fn keys_that_ended_long_ago_are_forgotten() {
    let Kept { folder: _folder, keys } = kept();
    let made = [1, 2].map(|_| keys.create(asked(&["viewer"], &[]), Manager::CommandLine, NOW).unwrap());
    keys.revoke(&made[0].entry.id, Manager::CommandLine, NOW).unwrap();
    keys.create(asked(&["viewer"], &[]), Manager::CommandLine, NOW + 31 * DAY).unwrap();
    let listed: Vec<String> = keys.list(Manager::CommandLine).unwrap().into_iter().map(|entry| entry.id).collect();
    assert!(listed.len() == 2 && listed[0] == made[1].entry.id, "{listed:?}");
}
