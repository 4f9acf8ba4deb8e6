//! The thread that owns the databases. The simulation hands it a question and stands still until it is answered, so a
//! database with threads of its own is one deterministic step.

use std::sync::Arc;
use std::sync::mpsc;

use futures::future::BoxFuture;
use shoptide_faults::{Scene, enter};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

enum Job {
    Run(BoxFuture<'static, ()>),
    /// From now on the work meets its points in this scene.
    Enter(Arc<dyn Scene>),
}

pub struct Helper {
    jobs: Option<UnboundedSender<Job>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Helper {
    pub fn new() -> Self {
        let (jobs, mut todo) = unbounded_channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let mut entered = None;
                while let Some(job) = todo.recv().await {
                    match job {
                        Job::Run(work) => work.await,
                        Job::Enter(scene) => {
                            drop(entered.take());
                            entered = Some(enter(scene));
                        }
                    }
                }
            });
        });
        Self { jobs: Some(jobs), thread: Some(thread) }
    }

    /// Has the work done and waits for it. Nothing else of the simulation happens meanwhile.
    pub fn call<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        self.send(Job::Run(Box::pin(async move {
            // Whoever asked is standing still right here.
            let _ = tell.send(work.await);
        })));
        told.recv().expect("the helper's work does not panic")
    }

    pub fn enter(&self, scene: Arc<dyn Scene>) {
        self.send(Job::Enter(scene));
    }

    fn send(&self, job: Job) {
        let jobs = self.jobs.as_ref().expect("open until dropped");
        assert!(jobs.send(job).is_ok(), "the helper runs until it is dropped");
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            // A panic in there was told to whoever waited.
            let _ = thread.join();
        }
    }
}
