//! A session: commands with deadlines, and events for those who wait for them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::QmpError;
use super::line::read_line;
use super::message::{Event, Message, Refusal, parse};

/// How long QEMU may take to greet. It does so at once, unless it serves somebody else.
const GREETING: Duration = Duration::from_secs(5);
/// How long QEMU may take to answer what it answers from its own memory.
const COMMAND: Duration = Duration::from_secs(10);
/// How many events may wait for one who waits for them. QEMU limits the rate of most of them.
const EVENTS: usize = 1024;
/// How many commands may wait for being written.
const COMMANDS: usize = 16;

/// A session with QEMU's monitor. Ends when it is dropped.
pub struct Client {
    commands: mpsc::Sender<Vec<u8>>,
    next_id: AtomicU64,
    shared: Arc<Mutex<Shared>>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// What the reading task and those who wait have in common.
#[derive(Default)]
struct Shared {
    answers: HashMap<u64, oneshot::Sender<Result<Value, Refusal>>>,
    subscribers: Vec<Subscriber>,
    /// Why the connection has ended.
    closed: Option<String>,
}

struct Subscriber {
    names: &'static [&'static str],
    queue: mpsc::Sender<Event>,
}

/// Events of some names, in the order in which they came, from the subscription on.
pub struct Events {
    queue: mpsc::Receiver<Event>,
    shared: Arc<Mutex<Shared>>,
}

impl Client {
    /// Opens a session: waits for the greeting and negotiates no capability.
    ///
    /// # Errors
    /// When nothing serves the socket, when it does not greet within 5 s, or when what serves it
    /// is no QEMU.
    pub async fn connect(path: &Path) -> Result<Self, QmpError> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|source| QmpError::Connect {
                path: path.to_path_buf(),
                source,
            })?;
        let (read, write) = stream.into_split();
        let mut read = BufReader::new(read);
        timeout(GREETING, greeting(&mut read))
            .await
            .map_err(|_| QmpError::NoGreeting {
                path: path.to_path_buf(),
            })??;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (commands, queue) = mpsc::channel(COMMANDS);
        let client = Self {
            commands,
            next_id: AtomicU64::new(1),
            shared: Arc::clone(&shared),
            _tasks: [
                AbortOnDropHandle::new(tokio::spawn(read_all(read, shared))),
                AbortOnDropHandle::new(tokio::spawn(write_all(write, queue))),
            ],
        };
        client.execute("qmp_capabilities", json!({})).await?;
        Ok(client)
    }

    /// Has a command carried out and waits for its answer, for 10 s.
    ///
    /// # Errors
    /// [`QmpError::Refused`] with QEMU's own words, [`QmpError::TimedOut`], [`QmpError::Closed`].
    pub async fn execute(
        &self,
        command: &'static str,
        arguments: Value,
    ) -> Result<Value, QmpError> {
        self.execute_within(COMMAND, command, arguments).await
    }

    /// [`execute`](Self::execute) for an answer of a known form.
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute), and [`QmpError::Unreadable`].
    pub async fn query<T: DeserializeOwned>(
        &self,
        command: &'static str,
        arguments: Value,
    ) -> Result<T, QmpError> {
        let answer = self.execute(command, arguments).await?;
        serde_json::from_value(answer).map_err(|error| QmpError::Unreadable {
            command,
            reason: error.to_string(),
        })
    }

    /// [`execute`](Self::execute) for what takes QEMU longer or must not take it as long.
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub async fn execute_within(
        &self,
        deadline: Duration,
        command: &'static str,
        arguments: Value,
    ) -> Result<Value, QmpError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut line = json!({"execute": command, "arguments": arguments, "id": id})
            .to_string()
            .into_bytes();
        line.push(b'\n');
        let (sender, answer) = oneshot::channel();
        self.shared(|shared| match &shared.closed {
            Some(reason) => Err(QmpError::Closed {
                reason: reason.clone(),
            }),
            None => {
                shared.answers.insert(id, sender);
                Ok(())
            }
        })?;
        let exchange = async {
            // A failure to write ends the connection, which the reader notices and tells.
            let _ = self.commands.send(line).await;
            answer.await
        };
        let answer = timeout(deadline, exchange).await;
        self.shared(|shared| shared.answers.remove(&id));
        match answer {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(Refusal { class, desc }))) => Err(QmpError::Refused {
                command,
                class,
                description: desc,
            }),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(QmpError::TimedOut {
                command,
                seconds: deadline.as_secs(),
            }),
        }
    }

    /// The events of these names from now on.
    #[must_use]
    pub fn events(&self, names: &'static [&'static str]) -> Events {
        let (sender, queue) = mpsc::channel(EVENTS);
        self.shared(|shared| {
            shared
                .subscribers
                .retain(|subscriber| !subscriber.queue.is_closed());
            if shared.closed.is_none() {
                shared.subscribers.push(Subscriber {
                    names,
                    queue: sender,
                });
            }
        });
        Events {
            queue,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared(|shared| shared.closed.is_some())
    }

    fn closed(&self) -> QmpError {
        self.shared(|shared| shared.end())
    }

    fn shared<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Events {
    /// The next event.
    ///
    /// # Errors
    /// [`QmpError::Closed`] when the connection has ended, or when so many events waited that one
    /// would have been lost.
    pub async fn next(&mut self) -> Result<Event, QmpError> {
        match self.queue.recv().await {
            Some(event) => Ok(event),
            None => Err(self
                .shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .end()),
        }
    }
}

impl Shared {
    fn take(&mut self, message: Message) {
        match message {
            Message::Answer { id, result } => {
                // Nobody waits any more when the deadline is over.
                if let Some(waiting) = self.answers.remove(&id) {
                    let _ = waiting.send(result);
                }
            }
            Message::Event(event) => {
                tracing::debug!(event = event.name, data = ?event.data, "QEMU");
                self.subscribers.retain(|subscriber| {
                    !subscriber.names.contains(&event.name.as_str())
                        || subscriber.queue.try_send(event.clone()).is_ok()
                });
            }
            Message::Greeting | Message::Other => {}
        }
    }

    fn close(&mut self, reason: String) {
        self.closed = Some(reason);
        self.answers.clear();
        self.subscribers.clear();
    }

    fn end(&self) -> QmpError {
        let reason = self.closed.clone();
        QmpError::Closed {
            reason: reason.unwrap_or_else(|| "too many events waited".to_owned()),
        }
    }
}

async fn greeting(stream: &mut BufReader<OwnedReadHalf>) -> Result<(), QmpError> {
    let mut line = Vec::new();
    match read_line(stream, &mut line).await {
        Ok(true) => {}
        Ok(false) => {
            return Err(QmpError::Closed {
                reason: "by QEMU, before its greeting".to_owned(),
            });
        }
        Err(error) => {
            return Err(QmpError::Closed {
                reason: error.to_string(),
            });
        }
    }
    match parse(&line) {
        Ok(Message::Greeting) => Ok(()),
        _ => Err(QmpError::Closed {
            reason: "what serves the socket is not QEMU's monitor".to_owned(),
        }),
    }
}

async fn read_all(mut stream: BufReader<OwnedReadHalf>, shared: Arc<Mutex<Shared>>) {
    let mut line = Vec::new();
    let reason = loop {
        match read_line(&mut stream, &mut line).await {
            Ok(true) => {}
            Ok(false) => break "closed by QEMU".to_owned(),
            Err(error) => break error.to_string(),
        }
        match parse(&line) {
            Ok(message) => shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(message),
            Err(error) => break format!("QEMU wrote what is not of its protocol: {error}"),
        }
    };
    shared
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .close(reason);
}

async fn write_all(mut stream: OwnedWriteHalf, mut commands: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = commands.recv().await {
        if stream.write_all(&line).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncBufReadExt as _;
    use tokio::net::UnixListener;

    use super::*;

    const GREETS: &str = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n";

    /// Serves one session after another with what `answer` makes of each command.
    struct Monitor {
        path: std::path::PathBuf,
        _directory: tempfile::TempDir,
        _task: AbortOnDropHandle<()>,
    }

    impl Monitor {
        fn new(greeting: &'static str, answer: fn(&str, u64) -> String) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("qmp");
            let listener = UnixListener::bind(&path).unwrap();
            let task = tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (read, mut write) = stream.into_split();
                    write.write_all(greeting.as_bytes()).await.unwrap();
                    let mut lines = BufReader::new(read).lines();
                    while let Ok(Some(line)) = lines.next_line().await {
                        let command: Value = serde_json::from_str(&line).unwrap();
                        let name = command["execute"].as_str().unwrap();
                        let id = command["id"].as_u64().unwrap();
                        let answer = match name {
                            "qmp_capabilities" => format!("{{\"return\": {{}}, \"id\": {id}}}\n"),
                            "quit" => break,
                            name => answer(name, id),
                        };
                        if write.write_all(answer.as_bytes()).await.is_err() {
                            break;
                        }
                    }
                }
            });
            Self {
                path,
                _directory: directory,
                _task: AbortOnDropHandle::new(task),
            }
        }

        async fn client(&self) -> Client {
            Client::connect(&self.path).await.unwrap()
        }
    }

    fn event(number: u64) -> String {
        format!(
            "{{\"event\": \"STOP\", \"data\": {{\"n\": {number}}}}}\n{{\"event\": \"LATER\"}}\n"
        )
    }

    fn answers(name: &str, id: u64) -> String {
        match name {
            "refused" => format!(
                "{{\"id\": {id}, \"error\": {{\"class\": \"DeviceNotFound\", \"desc\": \"no vd0\"}}}}\n"
            ),
            "silent" => String::new(),
            "garbage" => "garbage\n".to_owned(),
            "flood" => (0..=1024).map(event).collect(),
            _ => format!(
                "{}{{\"future\": 1}}\n{{\"return\": {{\"n\": {id}}}, \"id\": {id}}}\n",
                event(id)
            ),
        }
    }

    #[tokio::test]
    async fn answers_and_events_find_those_who_wait() {
        let monitor = Monitor::new(GREETS, answers);
        let client = monitor.client().await;
        let mut stops = client.events(&["STOP"]);
        let answer = client.execute("query", json!({})).await.unwrap();
        assert_eq!(answer["n"], 2);
        let event = stops.next().await.unwrap();
        assert_eq!((event.name.as_str(), &event.data["n"]), ("STOP", &json!(2)));
    }

    #[tokio::test]
    async fn tells_refusals_in_the_words_of_qemu() {
        let monitor = Monitor::new(GREETS, answers);
        let refusal = monitor
            .client()
            .await
            .execute("refused", json!({}))
            .await
            .unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "QEMU refuses refused: no vd0 (DeviceNotFound)"
        );
    }

    #[tokio::test]
    async fn a_late_answer_is_not_taken_for_another() {
        let monitor = Monitor::new(GREETS, answers);
        let client = monitor.client().await;
        let deadline = Duration::from_millis(50);
        let silence = client
            .execute_within(deadline, "silent", json!({}))
            .await
            .unwrap_err();
        assert!(matches!(
            silence,
            QmpError::TimedOut {
                command: "silent",
                ..
            }
        ));
        assert_eq!(client.execute("query", json!({})).await.unwrap()["n"], 3);
        assert!(client.shared(|shared| shared.answers.is_empty()));
    }

    #[tokio::test]
    async fn tells_everyone_that_the_connection_has_ended() {
        let monitor = Monitor::new(GREETS, answers);
        let client = monitor.client().await;
        let mut stops = client.events(&["STOP"]);
        assert!(matches!(
            client.execute("quit", json!({})).await,
            Err(QmpError::Closed { .. })
        ));
        assert!(matches!(stops.next().await, Err(QmpError::Closed { .. })));
        assert!(client.is_closed());
        assert!(matches!(
            client.execute("query", json!({})).await,
            Err(QmpError::Closed { .. })
        ));
        assert!(client.events(&["STOP"]).next().await.is_err());
        drop(client);
        monitor
            .client()
            .await
            .execute("query", json!({}))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn says_what_else_serves_the_socket() {
        let garbage = Monitor::new(GREETS, answers);
        let error = garbage
            .client()
            .await
            .execute("garbage", json!({}))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("not of its protocol"), "{error}");
        let other = Monitor::new("SSH-2.0-x\n", answers);
        let error = Client::connect(&other.path).await.err().unwrap();
        assert!(
            error.to_string().contains("is not QEMU's monitor"),
            "{error}"
        );
        let nobody = Client::connect(Path::new("/nonexistent/qmp"))
            .await
            .err()
            .unwrap();
        assert!(nobody.to_string().contains("/nonexistent/qmp"), "{nobody}");
    }

    #[tokio::test]
    async fn loses_no_event_silently() {
        let monitor = Monitor::new(GREETS, answers);
        let client = monitor.client().await;
        let mut stops = client.events(&["STOP"]);
        let _ = client
            .execute_within(Duration::from_millis(10), "flood", json!({}))
            .await;
        client.execute("query", json!({})).await.unwrap();
        for n in 0..1024 {
            assert_eq!(stops.next().await.unwrap().data["n"], n);
        }
        let lost = stops.next().await.unwrap_err();
        assert!(
            lost.to_string().contains("too many events waited"),
            "{lost}"
        );
    }

    #[tokio::test]
    async fn does_not_wait_for_ever_for_a_greeting() {
        let monitor = Monitor::new("", answers);
        let error = Client::connect(&monitor.path).await.err().unwrap();
        assert!(matches!(error, QmpError::NoGreeting { .. }));
    }
}
