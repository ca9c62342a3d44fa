//! `ManagementService`, with its package and without: accepted, so that native agents keep quiet.

use rover_reporters::proto::{compat, v3};
use tonic::{Request, Response, Status};

#[derive(Clone, Copy, Debug)]
pub struct Management;

/// The same two calls under either name.
macro_rules! serve {
    ($service:path) => {
        #[tonic::async_trait]
        impl $service for Management {
            async fn report_instance_properties(
                &self,
                _: Request<v3::InstanceProperties>,
            ) -> Result<Response<v3::Commands>, Status> {
                Ok(Response::new(v3::Commands::default()))
            }

            async fn keep_alive(&self, _: Request<v3::InstancePingPkg>) -> Result<Response<v3::Commands>, Status> {
                Ok(Response::new(v3::Commands::default()))
            }
        }
    };
}

serve!(v3::management_service_server::ManagementService);
serve!(compat::management_service_server::ManagementService);
