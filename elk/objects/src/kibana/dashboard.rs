//! Dashboards: panels from left to right in rows, and controls above them.

use super::data_view::View;
use super::lens::Lens;
use super::object::{Kind, Object, Reference, kql};
use super::search::Search;
use serde_json::{Map, Value, json};

/// How many columns a dashboard has.
pub const COLUMNS: u32 = 48;
/// The version that panels are kept in: the lowest Kibana that these files are for.
const KIBANA: &str = "8.12.0";

/// What a panel shows.
#[derive(Debug)]
enum Shown {
    Lens(Lens),
    Search(&'static str),
    Text(String),
}

/// A panel.
#[derive(Debug)]
pub(super) struct Panel {
    shown: Shown,
    width: u32,
    height: u32,
}

impl Panel {
    /// A visualisation.
    pub(super) fn lens(width: u32, height: u32, lens: Lens) -> Self {
        Self { shown: Shown::Lens(lens), width, height }
    }

    /// A saved search.
    pub(super) fn search(height: u32, search: &Search) -> Self {
        Self { shown: Shown::Search(search.id), width: COLUMNS, height }
    }

    fn text(text: String) -> Self {
        Self { shown: Shown::Text(text), width: COLUMNS, height: 4 }
    }

    fn reference(&self, index: &str) -> Option<Reference> {
        let (kind, id) = match &self.shown {
            Shown::Lens(lens) => (Kind::Lens, lens.id),
            Shown::Search(id) => (Kind::Search, *id),
            Shown::Text(_) => return None,
        };
        Some(Reference::new(format!("{index}:panel_{index}"), kind, id))
    }

    fn json(&self, index: &str, (x, y): (u32, u32)) -> Value {
        let place = json!({"x": x, "y": y, "w": self.width, "h": self.height, "i": index});
        let mut panel = json!({"version": KIBANA, "gridData": place, "panelIndex": index, "embeddableConfig": {"enhancements": {}}});
        match &self.shown {
            Shown::Lens(lens) => {
                (panel["type"], panel["panelRefName"]) = ("lens".into(), format!("panel_{index}").into());
                panel["title"] = lens.title.into();
            }
            Shown::Search(_) => (panel["type"], panel["panelRefName"]) = ("search".into(), format!("panel_{index}").into()),
            Shown::Text(text) => {
                panel["type"] = "visualization".into();
                panel["embeddableConfig"] = markdown(text);
            }
        }
        panel
    }
}

/// A text, kept with the dashboard itself.
fn markdown(text: &str) -> Value {
    json!({
        "enhancements": {},
        "hidePanelTitles": true,
        "savedVis": {
            "title": "",
            "description": "",
            "type": "markdown",
            "params": {"fontSize": 12, "openLinksInNewTab": false, "markdown": text},
            "uiState": {},
            "data": {"aggs": [], "searchSource": {"query": kql(""), "filter": []}},
        },
    })
}

/// A choice of a field's values, above the panels. It holds for all of them, so its field has to be one that the documents of all have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control {
    pub(super) title: &'static str,
    pub(super) field: &'static str,
    pub(super) view: View,
}

impl Control {
    fn id(&self) -> String {
        format!("control_{}", self.field.replace(['.', '@'], "_"))
    }

    fn json(&self, order: usize) -> Value {
        json!({
            "order": order, "width": "medium", "grow": true, "type": "optionsListControl",
            "explicitInput": {"id": self.id(), "fieldName": self.field, "title": self.title, "selectedOptions": [], "enhancements": {}},
        })
    }

    fn reference(&self) -> Reference {
        Reference::new(format!("controlGroup_{}:optionsListDataView", self.id()), Kind::DataView, self.view.id())
    }
}

/// A dashboard.
#[derive(Debug)]
pub(super) struct Dashboard {
    pub(super) id: &'static str,
    /// What it is called after "Synod: ".
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// What one has to know to read it, as Markdown.
    pub(super) note: &'static str,
    pub(super) controls: Vec<Control>,
    pub(super) panels: Vec<Panel>,
}

impl Dashboard {
    /// Its visualisations.
    pub(super) fn lenses(&self) -> impl Iterator<Item = &Lens> {
        self.panels.iter().filter_map(|panel| match &panel.shown {
            Shown::Lens(lens) => Some(lens),
            _ => None,
        })
    }

    /// The saved object. `all` are the dashboards that it links to.
    pub(super) fn object(&self, all: &[Self]) -> Object {
        let head = Panel::text(self.head(all));
        let panels: Vec<&Panel> = std::iter::once(&head).chain(&self.panels).collect();
        let names: Vec<String> = (1..=panels.len()).map(|number| number.to_string()).collect();
        let places = places(&panels);
        let drawn: Vec<Value> = panels.iter().zip(&names).zip(places).map(|((panel, name), place)| panel.json(name, place)).collect();
        let shown = panels.iter().zip(&names).filter_map(|(panel, name)| panel.reference(name));
        let attributes = json!({
            "title": format!("Synod: {}", self.name),
            "description": self.description,
            "controlGroupInput": self.controls(),
            "kibanaSavedObjectMeta": {"searchSourceJSON": json!({"query": kql(""), "filter": []}).to_string()},
            "optionsJSON": json!({"useMargins": true, "syncColors": true, "syncCursor": true, "syncTooltips": false,
                "hidePanelTitles": false}).to_string(),
            "panelsJSON": Value::Array(drawn).to_string(),
            "refreshInterval": {"pause": false, "value": 60_000},
            "timeFrom": "now-24h",
            "timeRestore": true,
            "timeTo": "now",
            "version": 1,
        });
        let references = shown.chain(self.controls.iter().map(Control::reference)).collect();
        Object { kind: Kind::Dashboard, id: self.id.into(), attributes, references }
    }

    /// Links to all dashboards, and the note. They begin at the application's own place, so that they hold in every space.
    fn head(&self, all: &[Self]) -> String {
        let link = |other: &Self| match other.id == self.id {
            true => format!("**{}**", other.name),
            false => format!("[{}](#/view/{})", other.name, other.id),
        };
        format!("{}\n\n{}", all.iter().map(link).collect::<Vec<_>>().join(" · "), self.note)
    }

    fn controls(&self) -> Value {
        let panels: Map<String, Value> =
            self.controls.iter().enumerate().map(|(order, control)| (control.id(), control.json(order))).collect();
        json!({
            "chainingSystem": "HIERARCHICAL",
            "controlStyle": "oneLine",
            "ignoreParentSettingsJSON": json!({"ignoreFilters": false, "ignoreQuery": false, "ignoreTimerange": false,
                "ignoreValidations": false}).to_string(),
            "panelsJSON": Value::Object(panels).to_string(),
        })
    }
}

/// Where panels stand: from left to right, in a new row when the row is full, each row as high as its highest panel.
fn places(panels: &[&Panel]) -> Vec<(u32, u32)> {
    let (mut x, mut y, mut height) = (0, 0, 0);
    let mut place = |panel: &&Panel| {
        if x + panel.width > COLUMNS {
            (x, y, height) = (0, y + height, 0);
        }
        let found = (x, y);
        (x, height) = (x + panel.width, height.max(panel.height));
        found
    };
    panels.iter().map(&mut place).collect()
}
