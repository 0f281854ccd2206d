//! One profile of AWS's shared files.

use crate::store::s3::settings::ini::Section;
use crate::store::s3::settings::shared_files::SharedFiles;
use crate::store::s3::settings::variables::variable;
use crate::types::errors::ConfigError;

/// The settings of one profile, and where they were looked for.
#[derive(Clone)]
pub(crate) struct Profile {
    pub name: String,
    /// Whether the caller or the environment named it. Otherwise it is the default one.
    pub chosen: bool,
    /// Whether any file has it.
    pub exists: bool,
    pub settings: Section,
    /// For people: each file, and how reading it went.
    pub looked_in: String,
    /// For people: why what was read of it may not be what was meant.
    pub flaw: Option<String>,
}

impl Profile {
    /// The profile `name`, else the one that `AWS_PROFILE` names, else `default`.
    pub(crate) fn among(files: &SharedFiles, name: Option<&str>) -> Profile {
        let name = name.map(str::to_owned).or_else(|| variable("AWS_PROFILE"));
        let chosen = name.is_some();
        let name = name.unwrap_or_else(|| "default".to_owned());
        let settings = files.profile(&name);
        Profile {
            chosen,
            exists: settings.is_some(),
            settings: settings.unwrap_or_default(),
            looked_in: files.looked_in(&name),
            flaw: files.flaw_of(&name),
            name,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key)
    }

    /// A setting that may be empty. For who somebody is, an empty one counts: to leave it out would mean
    /// somebody else.
    pub(crate) fn said(&self, key: &str) -> Option<&str> {
        self.settings.said(key)
    }
}

/// The error for a profile that was named and is not there. Its endpoint is not known, so nothing may be
/// sent anywhere.
pub(crate) fn no_profile(profile: &Profile) -> ConfigError {
    let Profile {
        name, looked_in, ..
    } = profile;
    let message = format!(
        "there is no profile {name:?}, which may name the endpoint; looked in {looked_in}; correct the \
         name, which AWS_PROFILE or ClientBuilder::profile gives, or add that profile"
    );
    ConfigError::new("profile", message)
}

/// Refuses a profile that may not say what was meant. Where its endpoint is and whose credentials it has is
/// not known.
pub(crate) fn reliable(profile: &Profile) -> Result<(), ConfigError> {
    let Some(flaw) = &profile.flaw else {
        return Ok(());
    };
    let message = format!(
        "profile {:?} cannot be relied on: {flaw}; correct that: without it, the endpoint or the \
         credentials could be other ones",
        profile.name
    );
    Err(ConfigError::new("profile", message))
}

/// The error for a client of AWS for which no region is named.
pub(crate) fn no_region(profile: &Profile) -> ConfigError {
    let Profile {
        name, looked_in, ..
    } = profile;
    let (why, correct) = if profile.exists {
        (format!("profile {name:?} names none"), "")
    } else {
        let correct = ", or correct the name of the profile";
        let absent = format!("there is no profile {name:?}");
        (absent, if profile.chosen { correct } else { "" })
    };
    let message = format!(
        "no region found: AWS_REGION and AWS_DEFAULT_REGION are not set, and {why} in {looked_in}; \
         set one of them or call ClientBuilder::region{correct}"
    );
    ConfigError::new("region", message)
}
