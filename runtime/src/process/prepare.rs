//! Preparing an image in a sandbox process. The node starts a process for each, which does nothing else.

use super::serve::SandboxProcess;
use super::{own_input, own_start};
use crate::bundle::Bundle;
use crate::files::Packages;
use crate::frame::{self, FrameKind, PageBytes, Prepare, PrepareEnd, Start};
use crate::memory::Stretch;
use crate::prepared::{MOST_CHANGED, Prepared, Refusal, environment};
use std::rc::Rc;
use std::sync::Arc;

impl SandboxProcess {
    /// Prepares an image, and sends the pages that make it different from the interpreter's.
    pub(super) async fn prepare(self: Rc<Self>, asked: Prepare, bundle: Arc<Bundle>, packages: Packages) {
        let end = self.clone().try_prepare(asked, &bundle, &packages).await;
        self.node.drained().await;
        self.node.send(FrameKind::PrepareEnd, 0, &frame::to_json(&end));
    }

    async fn try_prepare(self: Rc<Self>, asked: Prepare, bundle: &Arc<Bundle>, packages: &Packages) -> PrepareEnd {
        let Some(modules) = asked.modules else {
            let start = start_of(asked.path, asked.code);
            let input = own_input(&start, bundle, Some(packages), &self.node);
            return match self.interpreters[0].first_imports(input).await {
                Ok(modules) => PrepareEnd { modules, made: None },
                Err(error) => PrepareEnd::failed(format!("its first imports cannot be found: {error:#}")),
            };
        };
        // Without the script: nothing of it can be in the image.
        let nothing = Arc::new(Bundle::empty());
        let start = start_of(String::new(), None);
        let input = own_input(&start, &nothing, Some(packages), &self.node);
        let prepared = self.interpreters[0].prepare_image(input, &modules).await;
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
}

/// A run in which an image is prepared.
fn start_of(path: String, code: Option<String>) -> Start {
    // The guest asks only whether there are packages.
    Start { packages: Some([0; 32]), code, env: environment(), ..own_start(path) }
}
