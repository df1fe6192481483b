//! Whether another site really holds the base images that it says it holds.
//!
//! An offer names the base image of each disk by its digest, and the target compares that with its
//! own. Its answer is its word alone: the digest is one that it remembers (`digest`), of a file
//! that may have been damaged below the file system since, and the offer has told it what the right one
//! is. Only what a guest wrote travels then, and it would find itself on another disk at the target.
//! So the source asks for more: blocks that it draws by chance for this one attempt, and their
//! HMAC-SHA-256 under a key that is used once. Nobody can remember the answer. It costs some hundred
//! short reads at each site, where reading the whole of a large image would cost minutes.
//!
//! # What it shows, and what it cannot
//! The target can read these blocks, as they are here, now. An image that differs in a share `d` of the
//! blocks that hold anything here passes with a probability of `(1 - d)` to the power of [`DATA`]: 0.15
//! for 1 %, 5 in 100 000 for 5 %. A few wrong blocks are the digest's matter, which is taken of
//! all of them whenever the file was changed through the file system.
//!
//! A target that holds the image, or fetches these blocks from who does, and then uses another one cannot
//! be found out from here: a site that runs a guest can do with it what it likes, and
//! is trusted with it by its certificate.

use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::path::Path;

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::image;
use super::nbd::Reader;
use crate::hex::hex;
use crate::hypervisor::{Bases, Disk, HypervisorError, Storage};
use crate::site::Site;

/// What is read at once, in octets.
const BLOCK: u64 = 4096;
/// How many blocks are asked for at least, if the image has as many.
const SAMPLE: usize = 256;
/// How many of them hold something, if that many are found. Most of a disk is empty, and what is
/// empty is so at every site.
const DATA: usize = 192;
/// How many blocks are looked at in the search for those.
const DRAWS: usize = 2048;
/// How many blocks may be asked for.
const MOST: usize = DRAWS;

/// A question about a base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Challenge {
    /// The disk that lies on it.
    disk: String,
    /// The key: 64 hexadecimal digits, used once.
    key: String,
    /// Numbers of blocks of 4096 octets, counted from zero.
    blocks: Vec<u64>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Proof {
    /// The disk.
    disk: String,
    /// HMAC-SHA-256 of the blocks, each behind its number in 8 octets, as 64 hexadecimal digits.
    hmac: String,
}

/// What one target is asked in one attempt, and the right answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examination {
    challenges: Vec<Challenge>,
    expected: Vec<Proof>,
}

impl Examination {
    /// Draws the questions about the disks that will lie on the target's base images.
    ///
    /// # Errors
    /// When an image cannot be read here.
    pub(crate) async fn draw(
        disks: &[Disk],
        storage: Storage,
        bases: &Bases,
        run_dir: &Path,
    ) -> std::result::Result<Self, HypervisorError> {
        let mut drawn = Self::default();
        for disk in disks.iter().filter(|disk| disk.lies_on_base(storage)) {
            let id = disk.id.clone();
            let Some(path) = bases.get(&id) else {
                return Err(HypervisorError::Refused(format!(
                    "disk {id} lies on a base image that is not found any more"
                )));
            };
            let (challenge, proof) =
                read(path, run_dir, move |reader| Challenge::draw(id, reader)).await?;
            drawn.challenges.push(challenge);
            drawn.expected.push(proof);
        }
        Ok(drawn)
    }

    /// The questions.
    pub(crate) fn challenges(&self) -> Vec<Challenge> {
        self.challenges.clone()
    }

    /// Compares what the target answered.
    ///
    /// # Errors
    /// Which disk's base image it has not shown to have.
    pub(crate) fn check(&self, target: &Site, proofs: &[Proof]) -> std::result::Result<(), String> {
        let wrong = self.expected.iter().find(|proof| !proofs.contains(proof));
        let Some(Proof { disk, .. }) = wrong else {
            return Ok(());
        };
        Err(format!(
            "site {target} says that it has the base image of disk {disk}, and what it reads there is not what is in it here: \
             its file was damaged or changed unnoticed (`touch` it there, and the whole of it is read again), \
             or the site does not tell the truth; nothing was copied, and --storage full needs no base image"
        ))
    }
}

/// Answers the questions about base images that are here. One about any other disk is left out.
///
/// # Errors
/// When an image cannot be read, or a question makes no sense.
pub(crate) async fn prove(
    challenges: &[Challenge],
    bases: &Bases,
    run_dir: &Path,
) -> std::result::Result<Vec<Proof>, HypervisorError> {
    let mut proofs = Vec::new();
    // One for each disk, however many there are.
    for (disk, path) in bases {
        let Some(challenge) = challenges.iter().find(|asked| asked.disk == *disk) else {
            continue;
        };
        let challenge = challenge.clone();
        proofs.push(read(path, run_dir, move |reader| challenge.answer(reader)).await?);
    }
    Ok(proofs)
}

/// Does something with an image that is open for reading.
async fn read<T: Send + 'static>(
    path: &Path,
    run_dir: &Path,
    work: impl FnOnce(&mut Reader) -> Result<T> + Send + 'static,
) -> std::result::Result<T, HypervisorError> {
    let format = image::info(path).await?.format;
    let doing = format!("read the base image {}", path.display());
    let (path, run_dir) = (path.to_owned(), run_dir.to_owned());
    let work = move || work(&mut Reader::open(&path, format, &run_dir)?);
    let done = tokio::task::spawn_blocking(work).await;
    let failed = |reason: String| HypervisorError::Failed { doing, reason };
    match done {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

impl Challenge {
    /// A question, and its right answer.
    fn draw(disk: String, image: &mut Reader) -> Result<(Self, Proof)> {
        let count = image.size().div_ceil(BLOCK);
        // In the order in which a disk reads fastest.
        let mut asked = BTreeMap::new();
        let (mut data, mut drawn) = (0, 0);
        while count > 0 && drawn < DRAWS && (data < DATA || drawn < SAMPLE) {
            let number = u64::from_be_bytes(random()?) % count;
            let block = image.block(number)?;
            let is_data = block.iter().any(|octet| *octet != 0);
            if drawn < SAMPLE || is_data {
                asked.insert(number, block);
            }
            data += usize::from(is_data);
            drawn += 1;
        }
        let challenge = Self {
            disk,
            key: hex(&random::<32>()?),
            blocks: asked.keys().copied().collect(),
        };
        let proof = challenge.prove(asked.into_values().map(Ok))?;
        Ok((challenge, proof))
    }

    fn answer(&self, image: &mut Reader) -> Result<Proof> {
        let count = image.size().div_ceil(BLOCK);
        let nonsense = self.blocks.iter().any(|block| *block >= count);
        if nonsense || self.blocks.len() > MOST {
            return Err(Error::other(format!(
                "the other site asks for blocks that are not there, or for more than {MOST}"
            )));
        }
        self.prove(self.blocks.iter().map(|block| image.block(*block)))
    }

    /// The proof that goes with these contents of the blocks.
    fn prove(&self, contents: impl Iterator<Item = Result<Vec<u8>>>) -> Result<Proof> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_bytes());
        let mut context = hmac::Context::with_key(&key);
        for (number, block) in self.blocks.iter().zip(contents) {
            context.update(&number.to_be_bytes());
            context.update(&block?);
        }
        Ok(Proof {
            disk: self.disk.clone(),
            hmac: hex(context.sign().as_ref()),
        })
    }
}

impl Reader {
    /// A block that is there; the last one may be shorter.
    fn block(&mut self, number: u64) -> Result<Vec<u8>> {
        let offset = number.saturating_mul(BLOCK);
        let length = self.size().saturating_sub(offset).min(BLOCK);
        let mut octets = vec![0; usize::try_from(length).map_err(Error::other)?];
        self.read_at(offset, &mut octets)?;
        Ok(octets)
    }
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut octets = [0; LENGTH];
    SystemRandom::new()
        .fill(&mut octets)
        .map_err(|_| Error::other("the system has no random numbers"))?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::Base;

    struct Scene {
        directory: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
            }
        }

        /// An image of 8 MiB, the first of which is written to.
        fn image(&self, name: &str, octet: u8) -> Bases {
            let path = self.directory.path().join(name);
            let mut contents = vec![0; 8 << 20];
            contents[..1 << 20].fill(octet);
            std::fs::write(&path, contents).unwrap();
            Bases::from([("vd0".to_owned(), path)])
        }

        async fn examination(&self, storage: Storage, bases: &Bases) -> Examination {
            let disk = Disk {
                id: "vd0".to_owned(),
                size: 8 << 20,
                delta: 0,
                whole: 8 << 20,
                base: Some(Base {
                    size: 8 << 20,
                    sha256: String::new(),
                }),
            };
            let run_dir = self.directory.path();
            let drawn = Examination::draw(&[disk], storage, bases, run_dir).await;
            drawn.unwrap()
        }

        async fn prove(
            &self,
            challenges: &[Challenge],
            bases: &Bases,
        ) -> std::result::Result<Vec<Proof>, HypervisorError> {
            prove(challenges, bases, self.directory.path()).await
        }
    }

    fn site() -> Site {
        "b".parse().unwrap()
    }

    #[tokio::test]
    async fn who_has_the_image_in_whatever_format_passes_and_nobody_else() {
        let scene = Scene::new();
        let (here, other) = (scene.image("here", 1), scene.image("other", 2));
        let copy = scene.directory.path().join("copy");
        let converted = std::process::Command::new("qemu-img")
            .args(["convert", "-c", "-f", "raw", "-O", "qcow2"])
            .args([&here["vd0"], &copy])
            .status();
        assert!(converted.unwrap().success());
        let copy = Bases::from([("vd0".to_owned(), copy)]);
        let drawn = scene.examination(Storage::Delta, &here).await;
        let challenges = drawn.challenges();
        assert_eq!(challenges.len(), 1);
        let proofs = scene.prove(&challenges, &copy).await.unwrap();
        assert_eq!(drawn.check(&site(), &proofs), Ok(()));
        for wrong in [scene.prove(&challenges, &other).await.unwrap(), Vec::new()] {
            let told = drawn.check(&site(), &wrong).unwrap_err();
            assert!(
                told.contains("disk vd0") && told.contains("site b"),
                "{told}"
            );
        }
    }

    #[tokio::test]
    async fn an_answer_is_good_for_one_question() {
        let scene = Scene::new();
        let image = scene.image("here", 1);
        let first = scene.examination(Storage::Delta, &image).await;
        let second = scene.examination(Storage::Delta, &image).await;
        let proofs = scene.prove(&first.challenges(), &image).await.unwrap();
        assert!(first.check(&site(), &proofs).is_ok());
        assert!(second.check(&site(), &proofs).is_err());
    }

    /// An eighth of the image holds something: the blocks of it are found.
    #[tokio::test]
    async fn what_holds_something_is_asked_for() {
        let scene = Scene::new();
        let image = scene.image("here", 1);
        let drawn = scene.examination(Storage::Delta, &image).await;
        let blocks = &drawn.challenges[0].blocks;
        let data = blocks.iter().filter(|block| **block < 256).count();
        assert!(data > 64 && blocks.len() > data, "{data} {blocks:?}");
        assert!(blocks.len() <= MOST);
    }

    #[tokio::test]
    async fn a_copy_of_everything_is_not_asked_about() {
        let scene = Scene::new();
        let image = scene.image("here", 1);
        let drawn = scene.examination(Storage::Full, &image).await;
        assert_eq!(drawn.challenges(), []);
        assert_eq!(drawn.check(&site(), &[]), Ok(()));
    }

    #[tokio::test]
    async fn questions_that_make_no_sense_are_refused() {
        let scene = Scene::new();
        let image = scene.image("here", 1);
        let mut challenge = Challenge {
            disk: "vd0".to_owned(),
            key: String::new(),
            blocks: vec![2048],
        };
        for blocks in [vec![2048], vec![u64::MAX], vec![0; MOST + 1]] {
            challenge.blocks = blocks;
            let refused = scene.prove(std::slice::from_ref(&challenge), &image).await;
            let told = refused.unwrap_err().to_string();
            assert!(
                told.contains("asks for blocks that are not there"),
                "{told}"
            );
        }
        challenge.disk = "vd1".to_owned();
        let proofs = scene.prove(&[challenge], &image).await.unwrap();
        assert_eq!(proofs, []);
    }
}
