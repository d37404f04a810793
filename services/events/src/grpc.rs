//! `events.Stream`, `events.Store`, `events.Groups` and `events.Topics`.

use async_trait::async_trait;
use micro_error::Error;
use micro_proto::events::{
    ConsumeRequest, DeadLettersRequest, DeadLettersResponse, DeleteGroupRequest, DeleteGroupResponse,
    DeleteTopicRequest, DeleteTopicResponse, Event, Groups, ListGroupsRequest, ListGroupsResponse, ListTopicsRequest,
    ListTopicsResponse, PublishRequest, PublishResponse, ReadRequest, ReadResponse, ReplayRequest, ReplayResponse,
    SeekRequest, SeekResponse, Store, Stream, Topics, WriteRequest, WriteResponse,
};
use micro_rpc::Streaming;
use micro_tenancy::Caller;

use crate::App;

#[async_trait]
impl Stream for App {
    async fn publish(&self, caller: &Caller, request: PublishRequest) -> Result<PublishResponse, Error> {
        let published = self.publish_event(caller, request).await;
        published.map_err(|e| e.at("events.Stream.Publish"))
    }

    /// For callers without a stream of their own: acknowledged as it is sent.
    async fn consume(&self, caller: &Caller, request: ConsumeRequest) -> Result<Streaming<Event>, Error> {
        let consumed = self.open_consumer(caller, request, None).await;
        consumed.map_err(|e| e.at("events.Stream.Consume"))
    }
}

#[async_trait]
impl Store for App {
    async fn read(&self, caller: &Caller, request: ReadRequest) -> Result<ReadResponse, Error> {
        let read = self.read_events(caller, request).await;
        read.map_err(|e| e.at("events.Store.Read"))
    }

    async fn write(&self, caller: &Caller, request: WriteRequest) -> Result<WriteResponse, Error> {
        let written = self.write_event(caller, request).await;
        written
            .map(|()| WriteResponse {})
            .map_err(|e| e.at("events.Store.Write"))
    }
}

#[async_trait]
impl Groups for App {
    async fn list(&self, caller: &Caller, request: ListGroupsRequest) -> Result<ListGroupsResponse, Error> {
        let listed = self.list_groups(caller, request).await;
        listed.map_err(|e| e.at("events.Groups.List"))
    }

    async fn seek(&self, caller: &Caller, request: SeekRequest) -> Result<SeekResponse, Error> {
        let sought = self.seek_group(caller, request).await;
        sought.map(|()| SeekResponse {}).map_err(|e| e.at("events.Groups.Seek"))
    }

    async fn delete(&self, caller: &Caller, request: DeleteGroupRequest) -> Result<DeleteGroupResponse, Error> {
        let deleted = self.delete_group(caller, request).await;
        deleted
            .map(|()| DeleteGroupResponse {})
            .map_err(|e| e.at("events.Groups.Delete"))
    }

    async fn dead_letters(&self, caller: &Caller, request: DeadLettersRequest) -> Result<DeadLettersResponse, Error> {
        let listed = self.list_letters(caller, request).await;
        listed.map_err(|e| e.at("events.Groups.DeadLetters"))
    }

    async fn replay(&self, caller: &Caller, request: ReplayRequest) -> Result<ReplayResponse, Error> {
        let replayed = self.replay_letters(caller, request).await;
        replayed
            .map(|replayed| ReplayResponse { replayed })
            .map_err(|e| e.at("events.Groups.Replay"))
    }
}

#[async_trait]
impl Topics for App {
    async fn list(&self, caller: &Caller, request: ListTopicsRequest) -> Result<ListTopicsResponse, Error> {
        let listed = self.list_topics(caller, request).await;
        listed.map_err(|e| e.at("events.Topics.List"))
    }

    async fn delete(&self, caller: &Caller, request: DeleteTopicRequest) -> Result<DeleteTopicResponse, Error> {
        let deleted = self.delete_topic(caller, request).await;
        deleted
            .map(|()| DeleteTopicResponse {})
            .map_err(|e| e.at("events.Topics.Delete"))
    }
}
