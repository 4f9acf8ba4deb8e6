//! What the path names.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use shoptide_schemas::{Code, ItemId, Reject, UserId};

use crate::app::App;
use crate::error::ApiError;

/// The user named by the path.
pub(crate) struct PathUser(pub UserId);

/// The item named by the path.
pub(crate) struct PathItem(pub ItemId);

impl FromRequestParts<Arc<App>> for PathUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        UserId::parse(&path_id(parts, app).await?).map(Self).map_err(ApiError::bad)
    }
}

impl FromRequestParts<Arc<App>> for PathItem {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        ItemId::parse(&path_id(parts, app).await?).map(Self).map_err(ApiError::bad)
    }
}

async fn path_id(parts: &mut Parts, app: &Arc<App>) -> Result<String, ApiError> {
    let not_text = |_| ApiError::bad(Reject::new(Code::BadValue, "path", "the id in the path is not UTF-8"));
    Path::<String>::from_request_parts(parts, app).await.map(|Path(id)| id).map_err(not_text)
}

/// The text named by the path.
pub(crate) struct PathName(pub String);

impl FromRequestParts<Arc<App>> for PathName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        path_id(parts, app).await.map(Self)
    }
}

/// The entry named by the path.
pub(crate) struct PathFaq(pub String);

impl FromRequestParts<Arc<App>> for PathFaq {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        path_id(parts, app).await.map(Self)
    }
}
