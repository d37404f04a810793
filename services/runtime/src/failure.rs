//! Why a release failed, in Micro's words (reference/micro-wire §6.3): what its author reads in status and log. Our own
//! troubles are logged and told as no more than that.

use std::{error::Error as StdError, fmt};

use crate::{artifact::ArtifactError, plan::PlanError, source::archive::ArchiveError};

/// Where it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading the source's address.
    Parse,
    /// Fetching from git.
    Fetch,
    /// Reading an upload.
    Load,
    /// Planning, compiling, packing.
    Build,
    /// Storing the artifact.
    Upload,
    /// Starting the first instance.
    Create,
    /// Starting the next one.
    Update,
}

impl Stage {
    const fn words(self) -> &'static str {
        match self {
            Self::Parse => "Error parsing git source",
            Self::Fetch => "Error fetching git source",
            Self::Load => "Error loading source",
            Self::Build => "Error building service",
            Self::Upload => "Error uploading build",
            Self::Create => "Error creating service",
            Self::Update => "Error updating service",
        }
    }
}

/// Why a release failed.
#[derive(Debug)]
pub struct Failure {
    stage: Stage,
    reason: String,
}

impl Failure {
    /// The author's affair.
    pub fn said(stage: Stage, reason: impl fmt::Display) -> Self {
        Self {
            stage,
            reason: reason.to_string(),
        }
    }

    /// Our affair: logged here, since nobody above can do more about it.
    pub fn ours(stage: Stage, cause: impl StdError) -> Self {
        let mut told = cause.to_string();
        let mut next = cause.source();
        while let Some(cause) = next {
            told = format!("{told}: {cause}");
            next = cause.source();
        }
        tracing::error!(error = told, stage = stage.words(), "a release failed on our side");
        Self {
            stage,
            reason: "something went wrong on our side, please try again".to_owned(),
        }
    }

    /// From unpacking.
    pub fn of_archive(stage: Stage, e: ArchiveError) -> Self {
        match e {
            ArchiveError::Disk(_) => Self::ours(stage, e),
            e => Self::said(stage, e),
        }
    }

    /// From planning.
    pub fn of_plan(e: PlanError) -> Self {
        match e {
            PlanError::Disk(_) => Self::ours(Stage::Build, e),
            e => Self::said(Stage::Build, e),
        }
    }

    /// From packing.
    pub fn of_artifact(e: ArtifactError) -> Self {
        match e {
            ArtifactError::Disk(_) => Self::ours(Stage::Build, e),
            e => Self::said(Stage::Build, e),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage.words(), self.reason)
    }
}
