//! A connection to one backend: opening it, learning who is there, calling `collect` with ready-made messages.

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::batch::Backend;
use super::feed::Feed;
use super::{OapOptions, TLS_SECTION};
use crate::proto::v3;
use crate::proto::v3::ebpf_process_service_client::EbpfProcessServiceClient;
use crate::token::Token;
use crate::transport::{with_causes, Ready, CONNECT, KEEPALIVE};

/// Response metadata by which a backend of rover's own says that it takes whole records.
pub const ROVER_BACKEND: &str = "rover-backend";

/// Request metadata with the token, named by OAP.
pub const AUTHENTICATION: &str = "authentication";

/// An open channel to a backend that answered.
#[derive(Clone, Debug)]
pub struct Link {
    channel: Channel,
    token: Token,
    pub backend: Backend,
}

impl Link {
    /// Connects to `address` (`host:port`) and asks who is there.
    ///
    /// The question is a report of no processes: OAP answers it with nothing, and a refused token shows at once.
    pub async fn open(address: &str, options: &OapOptions, agent_id: &str) -> Result<Link, Status> {
        let token = Token::new(options.token.as_deref(), options.token_file.clone());
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|error| Status::invalid_argument(format!("address {address}: {error}")))?
            .connect_timeout(CONNECT)
            .tcp_keepalive(Some(KEEPALIVE));
        if let Some(tls) = &options.tls {
            let config = tls.config(TLS_SECTION).map_err(Status::invalid_argument)?;
            endpoint = endpoint.tls_config(config).map_err(|error| Status::invalid_argument(with_causes(&error)))?;
        }
        let channel = endpoint.connect().await.map_err(|error| Status::unavailable(with_causes(&error)))?;
        let mut link = Link { channel, token, backend: Backend::Oap };
        let mut question =
            Request::new(v3::EbpfProcessReportList { processes: Vec::new(), ebpf_agent_id: agent_id.to_owned() });
        question.set_timeout(CONNECT);
        link.authenticate(&mut question)?;
        match EbpfProcessServiceClient::new(link.channel.clone()).report_processes(question).await {
            Ok(answer) if answer.metadata().contains_key(ROVER_BACKEND) => link.backend = Backend::Rover,
            Ok(_) => {}
            Err(status) if is_final(&status) => return Err(status),
            // A receiver that knows the stream only.
            Err(_) => {}
        }
        Ok(link)
    }

    /// Sends a whole stream; its answer.
    pub async fn collect(&self, feed: Feed) -> Result<(), Status> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unavailable(with_causes(&error)))?;
        let mut request = Request::new(feed);
        self.authenticate(&mut request)?;
        let path = PathAndQuery::from_static("/skywalking.v3.EBPFAccessLogService/collect");
        client.client_streaming(request, path, Ready).await.map(drop)
    }

    fn authenticate<T>(&self, request: &mut Request<T>) -> Result<(), Status> {
        if let Some(token) = self.token.current() {
            let value = token.parse().map_err(|_| Status::invalid_argument("token is not ASCII text"))?;
            request.metadata_mut().insert(AUTHENTICATION, value);
        }
        Ok(())
    }
}

/// Whether no stream can succeed where a call ended so.
fn is_final(status: &Status) -> bool {
    is_denied(status) || matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
}

/// Whether the token is what the other end objects to.
pub fn is_denied(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated)
}
