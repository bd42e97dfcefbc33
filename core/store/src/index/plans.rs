//! How SQLite answers each statement: by an index or the sequence, in order, and never by reading a whole table.

use super::{Index, fold, pages, quality, reader, schema};
use crate::DataDirectory;
use rusqlite::Connection;

/// What `EXPLAIN QUERY PLAN` says, one step after the other.
fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = vec![1_i64; statement.parameter_count()];
    let steps = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
    steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

fn index() -> (tempfile::TempDir, Index) {
    let folder = tempfile::tempdir().unwrap();
    let (index, _) = Index::open(&DataDirectory::open(folder.path()).unwrap()).unwrap();
    (folder, index)
}

#[test]
fn each_statement_uses_its_index() {
    let (_folder, index) = index();
    for (sql, expected) in [
        (pages::BY_ENTITY, "SEARCH d USING INDEX decisions_entity (entity_hash=? AND rowid>? AND rowid<?)"),
        (pages::BY_LABEL, "SEARCH d USING INDEX decisions_label (label=? AND rowid>? AND rowid<?)"),
        (pages::BY_OUTCOME, "SEARCH d USING INDEX decisions_outcome (outcome=? AND rowid>? AND rowid<?)"),
        (pages::BY_ANOMALOUS, "SEARCH d USING INDEX decisions_anomalous (anomalous=? AND rowid>? AND rowid<?)"),
        (pages::BY_VOTE, "SEARCH v USING PRIMARY KEY (slot=? AND sequence>? AND sequence<?); SEARCH d USING INTEGER PRIMARY KEY (rowid=?)"),
        (pages::OF_TENANT, "SEARCH d USING INDEX decisions_tenant (tenant=? AND rowid>? AND rowid<?)"),
        (pages::OF_TENANT_BY_ENTITY, "SEARCH d USING INDEX decisions_tenant_entity (tenant=? AND entity_hash=? AND rowid>? AND rowid<?)"),
        (pages::OF_TENANT_BY_LABEL, "SEARCH d USING INDEX decisions_tenant_label (tenant=? AND label=? AND rowid>? AND rowid<?)"),
        (pages::OF_TENANT_BY_OUTCOME, "SEARCH d USING INDEX decisions_tenant_outcome (tenant=? AND outcome=? AND rowid>? AND rowid<?)"),
        (pages::OF_TENANT_BY_ANOMALOUS, "SEARCH d USING INDEX decisions_tenant_anomalous (tenant=? AND rowid>? AND rowid<?)"),
        (pages::BY_SEQUENCE, "SEARCH d USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (reader::BY_ID, "SEARCH decisions USING INDEX decisions_id (id=?)"),
        (reader::BY_EVENT, "SEARCH decisions USING INDEX decisions_event (event_hash=?)"),
        (reader::BY_KEY, "SEARCH decisions USING INDEX decisions_key (key_head=?)"),
        (reader::LABELS, "SEARCH labels USING INDEX labels_decision (decision=?)"),
        (quality::LABELLED, "SEARCH decisions USING INDEX decisions_label (label=? AND rowid>? AND rowid<?)"),
        (quality::LABELLED_OF_TENANT, "SEARCH decisions USING INDEX decisions_tenant_label (tenant=? AND label=? AND rowid>? AND rowid<?)"),
        (schema::TENANT, "SEARCH tenants USING COVERING INDEX sqlite_autoindex_tenants_1 (name=?)"),
        (schema::TENANTS_BEFORE, "SEARCH decisions USING INTEGER PRIMARY KEY (rowid<?); USE TEMP B-TREE FOR DISTINCT"),
        (schema::SET_LABEL, "SEARCH decisions USING INDEX decisions_id (id=?)"),
        (schema::DECISION_BEYOND, "SEARCH decisions USING INTEGER PRIMARY KEY (rowid<?)"),
        (schema::LABEL_BEYOND, "SEARCH labels USING INTEGER PRIMARY KEY (rowid<?)"),
        (schema::FORGET_DECISIONS, "SEARCH decisions USING INTEGER PRIMARY KEY (rowid<?)"),
        (schema::FORGET_LABELS, "SEARCH labels USING INTEGER PRIMARY KEY (rowid<?)"),
        (schema::FORGET_VOTES, "SEARCH votes USING PRIMARY KEY (slot=? AND sequence<?)"),
        (schema::NEWEST, "SEARCH decisions"),
    ] {
        // No temporary tree where the order matters, so it is in order without sorting.
        assert_eq!(plan(&index.connection, sql), expected, "{sql}");
    }
}

/// Two event ids with one hash: nobody knows a pair for SHA-256, so the second one's hash is set by hand.
#[test]
fn texts_with_the_same_hash_are_told_apart() {
    let (_folder, mut index) = index();
    let fact = |sequence, text: &'static str| {
        let place = super::Place { sequence, segment: 0, offset: sequence };
        super::Fact::Decision(super::DecisionFact {
            place,
            id: [sequence as u8; 16],
            tenant: None,
            event: Some(text),
            key: None,
            content: [sequence as u8; 32],
            entity: Some(text),
            at: None,
            decided: 0,
            outcome: 0,
            anomalous: false,
            score: 0.0,
            votes: &[],
        })
    };
    index.fold(&[fact(0, "one"), fact(1, "other"), fact(2, "one")], 3).unwrap();
    let same = schema::hash("other");
    index.connection.execute("UPDATE decisions SET event_hash = ?1, entity_hash = ?1", [same]).unwrap();
    let reader = index.reader().unwrap();
    assert_eq!(reader.by_event(None, "other").unwrap().map(|known| known.place.sequence), Some(1));
    let filter = super::Filter { entity: Some("other".to_owned()), ..super::Filter::of(super::Whose::All) };
    let page = reader.decisions(&filter, None, 10).unwrap();
    assert_eq!(page.found.iter().map(|found| found.place.sequence).collect::<Vec<_>>(), [1]);
}

#[test]
fn bits_of_a_mask() {
    assert_eq!(fold::bits(0).count(), 0);
    assert_eq!(fold::bits(0b1010 | 1 << 61).collect::<Vec<_>>(), [1, 3, 61]);
    assert_eq!(fold::bits(i64::MIN | 1).collect::<Vec<_>>(), [0, 63], "as a damaged file may have it");
}
