//! What requests go by, for people who ask why they fail. No secret is in it.

use std::time::Duration;

use hyper::Uri;

use crate::store::s3::address::Style;
use crate::store::s3::settings::named::Named;
use crate::store::s3::site::Site;
use crate::types::errors::LockError;
use crate::types::inspection::{Setting, Signer, Way};

/// Where requests about a bucket go.
pub(super) fn way(site: &Site, style: Style, bucket: &str) -> Result<Way, LockError> {
    let endpoint = site.endpoint(&site.region)?;
    let address = style.address(&endpoint.url, &format!("/{bucket}/"));
    // It was parsed when it was set.
    let uri: Uri = address.origin.parse().unwrap_or_default();
    let proxy = site.transport.proxy_to(&uri);
    let by = endpoint.set.as_ref().map(|set| set.by.clone());
    Ok(Way {
        region: site.region.clone().into(),
        endpoint: Setting {
            value: endpoint.url,
            by: by.unwrap_or_else(|| "AWS's own for the region".to_owned()),
        },
        is_aws: !site.is_set(),
        proxy: proxy.map(|proxy| Setting {
            value: proxy.url().to_owned(),
            by: proxy.set_by().to_owned(),
        }),
        certificates: site.is_tls().then(|| site.transport.trusts()),
    })
}

/// Who signs requests, within `limit`.
pub(super) async fn signer(site: &Site, limit: Duration) -> Result<Signer, LockError> {
    let found = site.credentials.get(limit).await?;
    Ok(Signer {
        access_key_id: found.keys.aws_access_key_id().to_owned(),
        from: found.origin.to_string(),
        files: site.credentials.files().await,
        is_temporary: found.keys.token().is_some(),
        expires_at: found.keys.expires_at().map(|at| at.into()),
    })
}

impl From<Named> for Setting {
    fn from(Named { value, by }: Named) -> Setting {
        Setting { value, by }
    }
}
