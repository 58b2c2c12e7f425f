//! A daemon that fails as it is told, and notes what it was asked.

use quorate_api::proto::quorate_server::Quorate;
use quorate_api::proto::{
    AttributeRequest, CertificateReply, CertificateRequest, ChangeReply, ConfigureReply, ConfigureRequest, Document,
    FenceRequest, InitReply, InitRequest, JoinReply, JoinRequest, NodeRequest, RecoverReply, RecoverRequest,
    ResourceRequest, TicketRequest, TokenReply, TokenRequest, ViewRequest, WatchRequest,
};
use quorate_api::{Fault, Reason};
use std::sync::Mutex;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// Answers the first `failing` changes with `no-leader`, and notes what it was asked.
#[derive(Default)]
pub(crate) struct Daemon {
    pub(crate) failing: Mutex<u32>,
    pub(crate) asked: Mutex<Vec<(String, u64)>>,
}

type Reply<T> = Result<Response<T>, Status>;

fn unused<T>() -> Reply<T> {
    Err(Status::unimplemented("not part of this test"))
}

#[tonic::async_trait]
impl Quorate for Daemon {
    type WatchStream = std::pin::Pin<Box<dyn Stream<Item = Result<Document, Status>> + Send>>;

    async fn configure(&self, request: Request<ConfigureRequest>) -> Reply<ConfigureReply> {
        let id = request.into_inner().request_id.ok_or_else(|| Status::invalid_argument("no id"))?;
        self.asked.lock().expect("not poisoned").push((id.client, id.serial));
        let mut failing = self.failing.lock().expect("not poisoned");
        if *failing > 0 {
            *failing -= 1;
            return Err(Fault::new(Reason::NoLeader, "no leader now").into());
        }
        Ok(Response::new(ConfigureReply { revision: 7, ..ConfigureReply::default() }))
    }

    async fn resource(&self, request: Request<ResourceRequest>) -> Reply<ChangeReply> {
        let name = request.into_inner().resource;
        Err(Fault::new(Reason::NotFound, format!("there is no resource {name}"))
            .hint("see `qrm configure show`")
            .into())
    }

    async fn view(&self, request: Request<ViewRequest>) -> Reply<Document> {
        let argument = request.into_inner().argument;
        if argument == "never" {
            std::future::pending::<()>().await;
        }
        let json = "x".repeat(if argument == "large" { 8 << 20 } else { 1 });
        let schema = "events/1".to_owned();
        Ok(Response::new(Document { schema, json }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Reply<Self::WatchStream> {
        let from = request.into_inner().from_number.unwrap_or(0);
        let documents =
            (from..from + 2).map(|number| Ok(Document { schema: "event/1".to_owned(), json: number.to_string() }));
        Ok(Response::new(Box::pin(tokio_stream::iter(documents))))
    }

    async fn init(&self, _: Request<InitRequest>) -> Reply<InitReply> {
        unused()
    }
    async fn join(&self, _: Request<JoinRequest>) -> Reply<JoinReply> {
        unused()
    }
    async fn token(&self, _: Request<TokenRequest>) -> Reply<TokenReply> {
        unused()
    }
    async fn recover(&self, _: Request<RecoverRequest>) -> Reply<RecoverReply> {
        unused()
    }
    async fn certificate(&self, _: Request<CertificateRequest>) -> Reply<CertificateReply> {
        unused()
    }
    async fn node(&self, _: Request<NodeRequest>) -> Reply<ChangeReply> {
        unused()
    }
    async fn attribute(&self, _: Request<AttributeRequest>) -> Reply<ChangeReply> {
        unused()
    }
    async fn ticket(&self, _: Request<TicketRequest>) -> Reply<ChangeReply> {
        unused()
    }
    async fn fence(&self, _: Request<FenceRequest>) -> Reply<ChangeReply> {
        unused()
    }
}
