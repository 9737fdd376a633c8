//! Preparing an image in a sandbox process. The node starts a process for each, which does nothing else.

use super::serve::SandboxProcess;
use crate::bundle::Bundle;
use crate::channels::{EgressLink, RunNetwork};
use crate::files::Packages;
use crate::frame::{self, FrameKind, PageBytes, Prepare, PrepareEnd, Start, Stream};
use crate::guest::{NodeCalls, RunInput};
use crate::limits::Limits;
use crate::memory::Stretch;
use crate::outcome::ResultKind;
use crate::output::Output;
use crate::prepared::{ENVIRONMENT, MOST_CHANGED, Prepared, Refusal};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

impl SandboxProcess {
    /// Prepares an image, and sends the pages that make it different from the interpreter's.
    pub(super) async fn prepare(self: Rc<Self>, asked: Prepare, bundle: Arc<Bundle>, packages: Packages) {
        let end = self.clone().try_prepare(asked, &bundle, &packages).await;
        self.node.drained().await;
        self.node.send(FrameKind::PrepareEnd, 0, &frame::to_json(&end));
    }

    async fn try_prepare(self: Rc<Self>, asked: Prepare, bundle: &Arc<Bundle>, packages: &Packages) -> PrepareEnd {
        let modules = match asked.modules {
            Some(modules) => modules,
            None => {
                let start = start_of(&asked.path, asked.code, true);
                match self.interpreter.first_imports(self.input(&start, bundle, Some(packages))).await {
                    Ok(modules) => modules,
                    Err(error) => return PrepareEnd::failed(format!("its first imports cannot be found: {error:#}")),
                }
            }
        };
        if modules.is_empty() || asked.only_modules {
            return PrepareEnd { modules, made: None };
        }
        // Without the script: nothing of it can be in the image.
        let nothing = Arc::new(Bundle::empty());
        let start = start_of("", None, true);
        let prepared = self.interpreter.prepare_image(self.input(&start, &nothing, Some(packages)), &modules).await;
        let made = match (prepared, self.slots.take_changes()) {
            (Err(reason), _) => Err(reason),
            (Ok(_), None) => Err(Refusal::passing("its memory cannot be read")),
            (Ok(prepared), Some(changes)) => {
                let bytes: usize = changes.stretches.iter().map(|change| change.bytes.len()).sum();
                if bytes > MOST_CHANGED {
                    let (bytes, most) = (bytes >> 20, MOST_CHANGED >> 20);
                    Err(Refusal::lasting(format!("the imports change {bytes} MiB of memory; an image can have {most}")))
                } else {
                    self.send_pages(&changes.stretches).await;
                    Ok(Prepared { length: changes.length as u64, ..prepared })
                }
            }
        };
        PrepareEnd { modules, made: Some(made) }
    }

    async fn send_pages(&self, stretches: &[Stretch]) {
        for stretch in stretches {
            for (number, bytes) in stretch.bytes.chunks(PageBytes::MOST).enumerate() {
                let start = (stretch.start + number * PageBytes::MOST) as u64;
                self.node.send(FrameKind::Page, 0, &PageBytes { start, bytes }.encode());
                self.node.drained().await;
            }
        }
    }

    fn input<'a>(&self, start: &'a Start, bundle: &'a Arc<Bundle>, packages: Option<&'a Packages>) -> RunInput<'a> {
        let bytes = Arc::new(Notify::new());
        RunInput {
            bundle,
            packages,
            start,
            stdout: Output::new(Stream::Stdout, 1 << 10, bytes.clone()),
            stderr: Output::new(Stream::Stderr, 1 << 10, bytes),
            node_calls: NodeCalls::new(0, self.node.clone()),
            network: RunNetwork::new(EgressLink::default(), 0, None),
        }
    }
}

fn start_of(path: &str, code: Option<String>, has_packages: bool) -> Start {
    Start {
        bundle: [0; 32],
        packages: has_packages.then_some([0; 32]),
        image: None,
        path: path.into(),
        code,
        name: String::new(),
        entry: None,
        args: "{}".into(),
        text_args: Vec::new(),
        argv: Vec::new(),
        env: ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        context: "{}".into(),
        result_kind: ResultKind::None,
        limits: Limits::default(),
        network: None,
    }
}
