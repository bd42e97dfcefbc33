//! A panel: what it shows, how, and what it says about itself.

use crate::query::Query;
use serde_json::{Value, json};

/// Letters that a panel's queries are told apart by.
const REFERENCES: &str = "ABCDEFGHIJ";

/// The data source that a person has chosen.
pub(super) fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// What a value is measured in, by Grafana's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Requests,
    PerSecond,
    Share,
    Seconds,
    Duration,
    Bytes,
    Count,
    Score,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "reqps",
            Self::PerSecond => "cps",
            Self::Share => "percentunit",
            Self::Seconds => "s",
            Self::Duration => "dtdurations",
            Self::Bytes => "bytes",
            Self::Count => "short",
            Self::Score => "none",
        }
    }
}

/// How values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Lines over time.
    Lines,
    /// Areas over time, one on the other.
    Stack,
    /// The latest value, large.
    Number,
    /// The latest values as bars.
    Bars,
    /// Yes and no over time.
    States,
    /// A distribution over time, from a histogram's buckets.
    Heat,
    /// The latest values by two labels.
    Matrix { rows: &'static str, columns: &'static str },
}

#[derive(Debug)]
struct Target {
    query: String,
    legend: String,
}

/// A panel.
#[derive(Debug)]
pub(super) struct Panel {
    title: &'static str,
    description: &'static str,
    kind: Kind,
    unit: Unit,
    targets: Vec<Target>,
    width: u32,
    height: u32,
    /// The colour of low values, and from which value on there is another.
    base: &'static str,
    levels: Vec<(f64, &'static str)>,
    colours: Vec<(&'static str, &'static str)>,
    maximum: Option<f64>,
    nothing: Option<&'static str>,
    exemplars: bool,
    repeat: Option<&'static str>,
}

impl Panel {
    fn new(kind: Kind, title: &'static str, description: &'static str, unit: Unit) -> Self {
        let (width, height) = if kind == Kind::Number { (4, 5) } else { (8, 8) };
        Self {
            title,
            description,
            kind,
            unit,
            targets: Vec::new(),
            width,
            height,
            base: "green",
            levels: Vec::new(),
            colours: Vec::new(),
            maximum: None,
            nothing: None,
            exemplars: false,
            repeat: None,
        }
    }

    /// Lines over time.
    pub(super) fn lines(title: &'static str, unit: Unit, description: &'static str) -> Self {
        Self::new(Kind::Lines, title, description, unit)
    }

    /// Areas over time, for what adds up to something.
    pub(super) fn stack(title: &'static str, unit: Unit, description: &'static str) -> Self {
        Self::new(Kind::Stack, title, description, unit)
    }

    /// One large number.
    pub(super) fn number(title: &'static str, unit: Unit, description: &'static str) -> Self {
        Self::new(Kind::Number, title, description, unit)
    }

    /// Bars, the longest first.
    pub(super) fn bars(title: &'static str, unit: Unit, description: &'static str) -> Self {
        Self::new(Kind::Bars, title, description, unit)
    }

    /// Yes (1) and no (0) over time, where `good` is what it should be.
    pub(super) fn states(title: &'static str, good: bool, description: &'static str) -> Self {
        let (base, other) = if good { ("red", "green") } else { ("green", "red") };
        Self::new(Kind::States, title, description, Unit::Count).levels(base, &[(1.0, other)])
    }

    /// How a histogram's observations are distributed.
    pub(super) fn heat(title: &'static str, unit: Unit, description: &'static str) -> Self {
        Self::new(Kind::Heat, title, description, unit)
    }

    /// A table of the values by two labels.
    pub(super) fn matrix(title: &'static str, unit: Unit, description: &'static str, rows: &'static str, columns: &'static str) -> Self {
        Self::new(Kind::Matrix { rows, columns }, title, description, unit)
    }

    /// With an expression, each of whose series is called by this pattern.
    ///
    /// # Panics
    /// When the pattern names a label that the series do not have, or there are more expressions than letters.
    #[track_caller]
    pub(super) fn query(mut self, query: Query, legend: &str) -> Self {
        for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
            assert!(query.has(label), "{} has no label {label}", query.text());
        }
        assert!(self.targets.len() < REFERENCES.len(), "{} has too many queries", self.title);
        self.targets.push(Target { query: query.text().to_owned(), legend: legend.to_owned() });
        self
    }

    /// With several expressions, each with a name.
    #[track_caller]
    pub(super) fn queries(self, queries: Vec<(String, Query)>) -> Self {
        queries.into_iter().fold(self, |panel, (name, query)| panel.query(query, &name))
    }

    /// So many of the 24 columns wide.
    pub(super) fn wide(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    /// Colours by value: the one of low values, and others from a value on.
    pub(super) fn levels(mut self, base: &'static str, levels: &[(f64, &'static str)]) -> Self {
        self.base = base;
        self.levels = levels.to_vec();
        self
    }

    /// Colours by the names of series.
    pub(super) fn coloured(mut self, colours: &[(&'static str, &'static str)]) -> Self {
        self.colours = colours.to_vec();
        self
    }

    /// The scale ends here.
    pub(super) fn up_to(mut self, maximum: f64) -> Self {
        self.maximum = Some(maximum);
        self
    }

    /// What is said where there is nothing to show.
    pub(super) fn if_nothing(mut self, text: &'static str) -> Self {
        self.nothing = Some(text);
        self
    }

    /// With traces of single requests as points.
    pub(super) fn with_traces(mut self) -> Self {
        self.exemplars = true;
        self
    }

    /// Once for each value that is chosen of a variable.
    pub(super) fn repeated(mut self, variable: &'static str) -> Self {
        self.repeat = Some(variable);
        self
    }

    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn height(&self) -> u32 {
        self.height
    }

    /// As Grafana reads it.
    pub(super) fn json(&self, id: usize, left: u32, top: u32) -> Value {
        let mut panel = json!({
            "id": id, "type": self.type_name(), "title": self.title, "description": self.description, "datasource": source(),
            "gridPos": {"h": self.height, "w": self.width, "x": left, "y": top},
            "fieldConfig": {"defaults": self.defaults(), "overrides": self.overrides()},
            "options": self.options(),
            "targets": self.targets(),
        });
        if let Some(variable) = self.repeat {
            panel["repeat"] = variable.into();
            panel["repeatDirection"] = "h".into();
            panel["maxPerRow"] = 3.into();
        }
        match self.kind {
            // A column a minute is fine enough to see a distribution move, and is read fast.
            Kind::Heat => panel["interval"] = "1m".into(),
            Kind::Matrix { rows, columns } => {
                let options = json!({"rowField": rows, "columnField": columns, "valueField": "Value", "emptyValue": "empty"});
                panel["transformations"] = json!([{"id": "groupingToMatrix", "options": options}]);
            }
            _ => {}
        }
        panel
    }

    fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Lines | Kind::Stack => "timeseries",
            Kind::Number => "stat",
            Kind::Bars => "bargauge",
            Kind::States => "state-timeline",
            Kind::Heat => "heatmap",
            Kind::Matrix { .. } => "table",
        }
    }

    fn targets(&self) -> Vec<Value> {
        let now = matches!(self.kind, Kind::Bars | Kind::Matrix { .. });
        let format = match self.kind {
            Kind::Heat => "heatmap",
            Kind::Matrix { .. } => "table",
            _ => "time_series",
        };
        let target = |(place, target): (usize, &Target)| {
            json!({
                "refId": REFERENCES.get(place..=place), "datasource": source(), "editorMode": "code", "expr": target.query,
                "legendFormat": target.legend, "format": format, "range": !now, "instant": now, "exemplar": self.exemplars,
            })
        };
        self.targets.iter().enumerate().map(target).collect()
    }

    fn defaults(&self) -> Value {
        let first = std::iter::once(json!({"color": self.base, "value": null}));
        let steps: Vec<Value> = first.chain(self.levels.iter().map(|(value, colour)| json!({"color": colour, "value": value}))).collect();
        let by_value = matches!(self.kind, Kind::Number | Kind::Bars | Kind::States | Kind::Matrix { .. });
        let mut defaults = json!({
            "unit": self.unit.name(), "color": {"mode": if by_value { "thresholds" } else { "palette-classic" }},
            "thresholds": {"mode": "absolute", "steps": steps}, "mappings": self.mappings(), "custom": self.drawing(),
        });
        if !matches!(self.kind, Kind::Heat | Kind::States) && self.unit != Unit::Duration {
            defaults["min"] = 0.into();
        }
        if let Some(maximum) = self.maximum {
            defaults["max"] = maximum.into();
        }
        if let Some(text) = self.nothing {
            defaults["noValue"] = text.into();
        }
        defaults
    }

    fn drawing(&self) -> Value {
        match self.kind {
            Kind::Lines | Kind::Stack => {
                let stacked = self.kind == Kind::Stack;
                json!({
                    "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": if stacked { 60 } else { 8 },
                    "gradientMode": "none", "showPoints": "never", "spanNulls": false, "axisPlacement": "auto",
                    "stacking": {"group": "A", "mode": if stacked { "normal" } else { "none" }},
                    "thresholdsStyle": {"mode": if self.levels.is_empty() { "off" } else { "dashed" }},
                })
            }
            Kind::States => json!({"fillOpacity": 70, "lineWidth": 0}),
            Kind::Matrix { .. } => json!({"align": "auto", "cellOptions": {"type": "color-background", "mode": "basic"}}),
            Kind::Number | Kind::Bars | Kind::Heat => json!({}),
        }
    }

    fn mappings(&self) -> Value {
        match self.kind {
            Kind::States => json!([{"type": "value", "options": {
                "0": {"text": "no", "color": self.base, "index": 0},
                "1": {"text": "yes", "color": self.levels.first().map(|(_, colour)| colour), "index": 1},
            }}]),
            _ => json!([]),
        }
    }

    fn overrides(&self) -> Vec<Value> {
        let fixed = |(name, colour): &(&str, &str)| {
            let colour = json!([{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]);
            json!({"matcher": {"id": "byName", "options": name}, "properties": colour})
        };
        self.colours.iter().map(fixed).collect()
    }

    fn options(&self) -> Value {
        let latest = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
        match self.kind {
            Kind::Lines | Kind::Stack => json!({
                "legend": {"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["mean", "max", "lastNotNull"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Kind::Number => json!({
                "reduceOptions": latest, "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto",
                "textMode": "auto", "wideLayout": true,
            }),
            Kind::Bars => json!({
                "reduceOptions": latest, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": true, "valueMode": "color",
                "namePlacement": "auto", "sizing": "auto", "minVizHeight": 16, "minVizWidth": 8, "maxVizHeight": 300,
            }),
            Kind::States => json!({
                "alignValue": "left", "mergeValues": true, "rowHeight": 0.9, "showValue": "never",
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true}, "tooltip": {"mode": "single", "sort": "none"},
            }),
            Kind::Heat => json!({
                "calculate": false, "cellGap": 1, "filterValues": {"le": 1e-9}, "legend": {"show": true}, "rowsFrame": {"layout": "auto"},
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "scale": "exponential", "reverse": false,
                    "fill": "dark-orange"},
                "exemplars": {"color": "rgba(255,0,255,0.7)"},
                "tooltip": {"mode": "single", "yHistogram": true, "showColorScale": false},
                "yAxis": {"axisPlacement": "left", "reverse": false, "unit": self.unit.name()},
            }),
            Kind::Matrix { .. } => json!({"showHeader": true, "cellHeight": "sm"}),
        }
    }
}
