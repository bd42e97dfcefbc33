//! Visualisations, as Lens keeps them. A layer says what it asks for by the part that each column plays; the shape says how it is drawn.

use super::column::Column;
use super::data_view::View;
use super::object::{Kind, Object, Reference, kql};
use crate::fields::Fields;
use serde_json::{Map, Value, json};

/// How it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Lines over time.
    Lines,
    /// Bars over time, one on the other.
    Bars,
    /// Areas over time that make up a whole.
    Shares,
    /// Bars from left to right, beside each other.
    Ranking,
    /// One large number.
    Number,
    /// A ring.
    Ring,
    /// A table.
    Table,
    /// Cells, the darker the more.
    Heat,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Lines | Self::Bars | Self::Shares | Self::Ranking => "lnsXY",
            Self::Number => "lnsMetric",
            Self::Ring => "lnsPie",
            Self::Table => "lnsDatatable",
            Self::Heat => "lnsHeatmap",
        }
    }
}

/// What is asked of one data view.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    name: &'static str,
    view: View,
    across: Option<Column>,
    split: Option<Column>,
    values: Vec<Column>,
}

impl Layer {
    /// One that is called so, which matters where there are several.
    pub(super) fn named(name: &'static str, view: View) -> Self {
        Self { name, view, across: None, split: None, values: Vec::new() }
    }

    /// The only one.
    pub(super) fn new(view: View) -> Self {
        Self::named("layer", view)
    }

    /// What stands along the horizontal axis, or in the first column.
    pub(super) fn across(mut self, column: Column) -> Self {
        self.across = Some(column);
        self
    }

    /// What has a colour each, or a row, or a column of its own.
    pub(super) fn split(mut self, column: Column) -> Self {
        self.split = Some(column);
        self
    }

    /// A number.
    pub(super) fn value(mut self, column: Column) -> Self {
        self.values.push(column);
        self
    }

    fn across_id(&self) -> Option<String> {
        self.across.as_ref().map(|_| format!("{}_across", self.name))
    }

    fn split_id(&self) -> Option<String> {
        self.split.as_ref().map(|_| format!("{}_split", self.name))
    }

    fn value_ids(&self) -> Vec<String> {
        (1..=self.values.len()).map(|number| format!("{}_value_{number}", self.name)).collect()
    }

    /// Its columns in the order in which they divide the documents: what has a colour each comes before the time, so that it is the same
    /// few at every time.
    fn columns(&self, fields: &Fields) -> Vec<(String, Value)> {
        let ids = self.value_ids();
        let order = self.values.iter().zip(&ids).find(|(column, _)| column.orders()).map(|(_, id)| id.as_str());
        let dividing = |column: &Option<Column>, id: Option<String>| {
            column.iter().zip(id).flat_map(|(column, id)| column.json(&id, order, fields)).collect::<Vec<_>>()
        };
        let across = dividing(&self.across, self.across_id());
        let split = dividing(&self.split, self.split_id());
        let by_time = self.across.as_ref().is_some_and(Column::is_time);
        let dividing = if by_time { [split, across] } else { [across, split] }.concat();
        let values = self.values.iter().zip(&ids).flat_map(|(column, id)| column.json(id, order, fields));
        dividing.into_iter().chain(values).collect()
    }

    fn json(&self, fields: &Fields) -> Value {
        let columns = self.columns(fields);
        let order: Vec<&String> = columns.iter().map(|(id, _)| id).collect();
        let order = json!(order);
        let columns: Map<String, Value> = columns.into_iter().collect();
        json!({"columns": columns, "columnOrder": order, "incompleteColumns": {}, "sampling": 1, "ignoreGlobalFilters": false})
    }
}

/// A visualisation.
#[derive(Debug, Clone)]
pub(super) struct Lens {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it answers, and what to look for.
    pub(super) description: &'static str,
    pub(super) shape: Shape,
    /// Only documents that this finds; all if it is empty.
    pub(super) query: &'static str,
    pub(super) layers: Vec<Layer>,
}

impl Lens {
    /// The saved object.
    pub(super) fn object(&self, fields: &Fields) -> Object {
        let layers: Map<String, Value> = self.layers.iter().map(|layer| (layer.name.to_owned(), layer.json(fields))).collect();
        let reference =
            |layer: &Layer| Reference::new(format!("indexpattern-datasource-layer-{}", layer.name), Kind::DataView, layer.view.id());
        let attributes = json!({
            // Told apart from others' in the library; on the dashboards it is called by its title alone.
            "title": format!("{} [Synod]", self.title),
            "description": self.description,
            "visualizationType": self.shape.name(),
            "state": {
                "adHocDataViews": {},
                "datasourceStates": {"formBased": {"layers": layers}},
                "filters": [],
                "internalReferences": [],
                "query": kql(self.query),
                "visualization": self.visualization(),
            },
        });
        Object { kind: Kind::Lens, id: self.id.into(), attributes, references: self.layers.iter().map(reference).collect() }
    }

    fn visualization(&self) -> Value {
        let first = self.layers.first();
        match self.shape {
            Shape::Lines => axes("line", &self.layers),
            Shape::Bars => axes("bar_stacked", &self.layers),
            Shape::Shares => axes("area_percentage_stacked", &self.layers),
            Shape::Ranking => axes("bar_horizontal", &self.layers),
            Shape::Number => first.map_or(Value::Null, number),
            Shape::Ring => first.map_or(Value::Null, ring),
            Shape::Table => first.map_or(Value::Null, table),
            Shape::Heat => first.map_or(Value::Null, heat),
        }
    }
}

fn axes(series: &str, layers: &[Layer]) -> Value {
    let layer = |layer: &Layer| {
        let mut drawn = json!({"layerId": layer.name, "layerType": "data", "seriesType": series, "accessors": layer.value_ids()});
        let parts = [("xAccessor", layer.across_id()), ("splitAccessor", layer.split_id())];
        parts.into_iter().filter_map(|(part, id)| Some((part, id?))).for_each(|(part, id)| drawn[part] = id.into());
        drawn
    };
    // One colour alone needs no legend, for the title says what it is.
    let several = layers.len() > 1 || layers.iter().any(|layer| layer.split.is_some() || layer.values.len() > 1);
    let all = |shown: bool| json!({"x": shown, "yLeft": shown, "yRight": shown});
    json!({
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        "preferredSeriesType": series,
        "legend": {"isVisible": several, "position": "bottom", "shouldTruncate": true, "maxLines": 1},
        "valueLabels": "hide",
        "fittingFunction": if series == "line" { "Linear" } else { "None" },
        "axisTitlesVisibilitySettings": all(false),
        "tickLabelsVisibilitySettings": all(true),
        "gridlinesVisibilitySettings": all(true),
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
        "yLeftExtent": {"mode": "full"},
        "yRightExtent": {"mode": "full"},
    })
}

fn number(layer: &Layer) -> Value {
    let ids = layer.value_ids();
    let mut drawn = json!({"layerId": layer.name, "layerType": "data"});
    let parts = ["metricAccessor", "secondaryMetricAccessor"];
    parts.into_iter().zip(ids).for_each(|(part, id)| drawn[part] = id.into());
    drawn
}

fn ring(layer: &Layer) -> Value {
    let groups: Vec<String> = layer.across_id().into_iter().chain(layer.split_id()).collect();
    json!({"shape": "donut", "layers": [{
        "layerId": layer.name, "layerType": "data", "primaryGroups": groups, "metrics": layer.value_ids(), "numberDisplay": "percent",
        "categoryDisplay": "default", "legendDisplay": "default", "nestedLegend": false,
    }]})
}

fn table(layer: &Layer) -> Value {
    let ids = layer.across_id().into_iter().chain(layer.split_id()).chain(layer.value_ids());
    let columns: Vec<Value> = ids.map(|id| json!({"columnId": id, "isTransposed": false})).collect();
    let mut drawn = json!({"layerId": layer.name, "layerType": "data", "columns": columns, "rowHeight": "single", "rowHeightLines": 1,
        "paging": {"enabled": true, "size": 10}});
    if let Some(first) = layer.value_ids().first() {
        drawn["sorting"] = json!({"columnId": first, "direction": "desc"});
    }
    drawn
}

fn heat(layer: &Layer) -> Value {
    let mut drawn = json!({
        "shape": "heatmap",
        "layerId": layer.name,
        "layerType": "data",
        "legend": {"isVisible": true, "position": "right", "type": "heatmap_legend"},
        "gridConfig": {"type": "heatmap_grid", "isCellLabelVisible": true, "isXAxisLabelVisible": true, "isYAxisLabelVisible": true,
            "isXAxisTitleVisible": true, "isYAxisTitleVisible": true},
    });
    let parts =
        [("xAccessor", layer.across_id()), ("yAccessor", layer.split_id()), ("valueAccessor", layer.value_ids().into_iter().next())];
    parts.into_iter().filter_map(|(part, id)| Some((part, id?))).for_each(|(part, id)| drawn[part] = id.into());
    drawn
}
