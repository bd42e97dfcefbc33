//! The components: all that answers are made of.

use super::shape::{named, of};
use super::{operations, row};
use crate::config::Config;
use crate::decision::LabelRecord;
use crate::http::problem::Problem;
use crate::http::{
    answer, audit, breakers, console, decisions, detectors, entities, health, inference, keys, models, oauth, rollouts, shown, status,
};
use crate::identity::keys::KeyView;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ComponentsBuilder, RefOr, Type};

/// The schemas of an installation.
pub(super) fn all(config: &Config) -> ComponentsBuilder {
    let mut schemas = Schemas::default();
    schemas.add::<Problem>();
    schemas.add::<answer::Told<'_>>();
    schemas.add::<answer::Voted<'_>>();
    schemas.add::<decisions::Page<'_>>();
    schemas.add::<shown::ShownLabelled<'_>>();
    schemas.add::<decisions::explanation::Explanation<'_>>();
    schemas.add::<decisions::label::Said>();
    schemas.add::<decisions::quality::Answer<'_>>();
    schemas.add::<detectors::Listed<'_>>();
    schemas.add::<entities::Entity<'_>>();
    schemas.add::<health::Readiness<'_>>();
    schemas.add::<crate::health::Report>();
    schemas.add::<status::Status<'_>>();
    schemas.add::<LabelRecord>();
    schemas.add::<keys::Asked>();
    schemas.add::<keys::Rotation>();
    schemas.add::<keys::Listed<'_>>();
    schemas.add::<keys::Made<'_>>();
    schemas.add::<KeyView<'_>>();
    schemas.add::<oauth::Told<'_>>();
    schemas.add::<oauth::Refusal>();
    schemas.add::<audit::Page>();
    schemas.add::<breakers::Listed>();
    schemas.add::<models::InFull>();
    schemas.add::<rollouts::Begin>();
    schemas.add::<rollouts::Stop>();
    schemas.add::<crate::rollout::Told>();
    schemas.add::<crate::model_versions::Version>();
    schemas.add::<models::Promote>();
    schemas.add::<models::Rollback>();
    schemas.add::<models::InForce>();
    schemas.add::<console::WhoAmI<'_>>();
    schemas.add::<inference::IndexOf>();
    schemas.add::<inference::InferenceRequest<'_>>();
    schemas.add::<inference::InferenceResponse<'_>>();
    let components = ComponentsBuilder::new().schemas_from_iter(schemas.0).schemas_from_iter(operations::inference::schemas());
    let refused =
        of(Type::Object).property("error", named("Problem")).required("error").description(Some("A row that is not judged, and why."));
    let components = components.schema("RefusedRow", refused);
    // The rows last: the one that stands for any installation's gives way to this one's.
    components.schema("Row", row::sent(config)).schema("StoredRow", row::stored(config))
}

#[derive(Default)]
struct Schemas(Vec<(String, RefOr<Schema>)>);

impl Schemas {
    /// A type, and all types that it is made of.
    fn add<T: ToSchema>(&mut self) {
        self.0.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.0);
    }
}
