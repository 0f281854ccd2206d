//! One profile of AWS's shared files, and the region that it names.

use std::io;

use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::settings::ini::Section;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::region::is_region;
use crate::store::s3::settings::shared_files::SharedFiles;
use crate::store::s3::settings::variables::variable;
use crate::types::errors::{ConfigError, LockError};

/// The settings of one profile, and where they were looked for.
pub(crate) struct Profile {
    pub name: String,
    /// Whether the caller or the environment named it. Otherwise it is the default one.
    pub chosen: bool,
    /// Whether any file has it.
    pub exists: bool,
    pub settings: Section,
    /// For people: each file, and how reading it went.
    pub looked_in: String,
}

impl Profile {
    /// Reads the profile `name`, else the one that `AWS_PROFILE` names, else `default`.
    pub(crate) async fn read(name: Option<&str>, threads: &BlockingThreads) -> io::Result<Profile> {
        Ok(Profile::among(&SharedFiles::read(threads).await?, name))
    }

    /// The same, from files that were read already.
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
            name,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key)
    }
}

/// The region that a profile names: `name`, or the one that [`Profile::read`] takes. With a custom
/// endpoint, the store probably has no regions, and the usual name does.
pub(crate) async fn region(
    name: Option<&str>,
    custom_endpoint: bool,
    threads: &BlockingThreads,
) -> Result<Named, LockError> {
    let profile = Profile::read(name, threads).await;
    let profile = profile.map_err(LockError::of_this_machine)?;
    let by = format!("profile {:?}", profile.name);
    match profile.get("region") {
        Some(region) if is_region(region) => Ok(Named::new(region, by)),
        Some(region) => {
            let reason = "a region looks like eu-central-1";
            Err(ConfigError::invalid_in("region", region, &by, reason).into())
        }
        None if custom_endpoint => Ok(Named::new("us-east-1", "the default")),
        None => Err(no_region(&profile).into()),
    }
}

fn no_region(profile: &Profile) -> ConfigError {
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
