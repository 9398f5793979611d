//! What an agent can be asked, one request each.

use super::*;

impl Client {
    /// All members, of any status.
    ///
    /// # Errors
    /// As [`ClientError`]; likewise for all requests below.
    pub async fn members(&self) -> Result<Vec<msg::Member>, ClientError> {
        let body = self.call(command::MEMBERS, None, Body::OnSuccess).await?;
        Ok(msg::MembersResponse::decode(body)?.members)
    }

    /// The members that match all patterns. An agent closes the connection on an invalid one.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn members_filtered(
        &self,
        filter: &msg::MembersFilteredRequest,
    ) -> Result<Vec<msg::Member>, ClientError> {
        let body = self
            .call(command::MEMBERS_FILTERED, Some(filter), Body::OnSuccess)
            .await?;
        Ok(msg::MembersResponse::decode(body)?.members)
    }

    /// Joins the cluster that the addresses belong to; answers how many were reached.
    ///
    /// # Errors
    /// As [`ClientError`], in particular if none was reached.
    pub async fn join(&self, addrs: &[String], replay: bool) -> Result<i32, ClientError> {
        let request = msg::JoinRequest {
            existing: addrs.to_vec(),
            replay,
        };
        let body = self
            .call(command::JOIN, Some(&request), Body::Always)
            .await?;
        Ok(msg::JoinResponse::decode(body)?.num)
    }

    /// Sends a user event to all members. With `coalesce`, receivers may keep only the latest of
    /// several events of this name in quick succession.
    ///
    /// # Errors
    /// As [`ClientError`], in particular if the event is too large.
    pub async fn user_event(
        &self,
        name: &str,
        payload: &[u8],
        coalesce: bool,
    ) -> Result<(), ClientError> {
        let request = msg::EventRequest {
            name: name.to_owned(),
            payload: (!payload.is_empty()).then(|| Bytes(payload.to_vec())),
            coalesce,
        };
        self.call(command::EVENT, Some(&request), Body::Never)
            .await?;
        Ok(())
    }

    /// Declares a failed member as left; with `prune` also forgets it. An unknown name succeeds.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn force_leave(&self, name: &str, prune: bool) -> Result<(), ClientError> {
        let request = msg::ForceLeaveRequest {
            node: name.to_owned(),
            prune,
        };
        self.call(command::FORCE_LEAVE, Some(&request), Body::Never)
            .await?;
        Ok(())
    }

    /// Makes the agent leave its cluster and end.
    ///
    /// # Errors
    /// As [`ClientError`]; the agent ends all the same if it got the request.
    pub async fn leave(&self) -> Result<(), ClientError> {
        self.call(command::LEAVE, None, Body::Never).await?;
        Ok(())
    }

    /// Removes and then sets tags of the agent.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn update_tags(
        &self,
        set: BTreeMap<String, String>,
        delete: Vec<String>,
    ) -> Result<(), ClientError> {
        let request = msg::TagsRequest {
            tags: set,
            delete_tags: (!delete.is_empty()).then_some(delete),
        };
        self.call(command::TAGS, Some(&request), Body::Never)
            .await?;
        Ok(())
    }

    /// Numbers about the agent: section to key to value.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn stats(&self) -> Result<msg::Stats, ClientError> {
        let body = self.call(command::STATS, None, Body::OnSuccess).await?;
        Ok(msg::Stats::decode(body)?)
    }

    /// The coordinate of a member, or `None` if it is not known.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn coordinate(&self, node: &str) -> Result<Option<msg::Coordinate>, ClientError> {
        let request = msg::CoordinateRequest {
            node: node.to_owned(),
        };
        let body = self
            .call(command::GET_COORDINATE, Some(&request), Body::OnSuccess)
            .await?;
        let response = msg::CoordinateResponse::decode(body)?;
        Ok(response.ok.then_some(response.coord))
    }

    /// Asks members of the cluster something. What they answer comes through the agent until the
    /// time of the query is over.
    ///
    /// # Errors
    /// As [`ClientError`], in particular if the query is too large.
    pub async fn query(&self, request: &msg::QueryRequest) -> Result<Replies, ClientError> {
        let records = self.begin(command::QUERY, request, QUERY_CAPACITY).await?;
        Ok(Replies {
            records,
            over: false,
        })
    }

    /// Answers a query that came as a [`msg::QueryEventRecord`] of [`stream`](Self::stream), by
    /// its number.
    ///
    /// # Errors
    /// As [`ClientError`], in particular if it was answered before or its time is over.
    pub async fn respond(&self, id: u64, payload: &[u8]) -> Result<(), ClientError> {
        let request = msg::RespondRequest {
            id,
            payload: (!payload.is_empty()).then(|| Bytes(payload.to_vec())),
        };
        self.call(command::RESPOND, Some(&request), Body::Never)
            .await?;
        Ok(())
    }

    /// Has every member install a key, given in base64, so that it can decrypt with it.
    ///
    /// # Errors
    /// As [`KeyFailure`]; likewise for the other key operations.
    pub async fn install_key(&self, key: &str) -> Result<msg::KeyResponse, KeyFailure> {
        self.keys(command::INSTALL_KEY, Some(key)).await
    }

    /// Has every member encrypt with an installed key.
    ///
    /// # Errors
    /// As [`KeyFailure`].
    pub async fn use_key(&self, key: &str) -> Result<msg::KeyResponse, KeyFailure> {
        self.keys(command::USE_KEY, Some(key)).await
    }

    /// Has every member forget a key, which must not be the one that encrypts.
    ///
    /// # Errors
    /// As [`KeyFailure`].
    pub async fn remove_key(&self, key: &str) -> Result<msg::KeyResponse, KeyFailure> {
        self.keys(command::REMOVE_KEY, Some(key)).await
    }

    /// The keys of all members, and how many have each.
    ///
    /// # Errors
    /// As [`KeyFailure`].
    pub async fn list_keys(&self) -> Result<msg::KeyResponse, KeyFailure> {
        self.keys(command::LIST_KEYS, None).await
    }

    async fn keys(&self, command: &str, key: Option<&str>) -> Result<msg::KeyResponse, KeyFailure> {
        let request = key.map(|key| msg::KeyRequest {
            key: key.to_owned().into(),
        });
        let body = request.as_ref().map(|body| body as &(dyn Encode + Sync));
        let Answered { error, body } = self.exchange(command, body, Body::Always).await?;
        let response = msg::KeyResponse::decode(body).map_err(ClientError::from)?;
        match error.is_empty() {
            true => Ok(response),
            false => Err(KeyFailure {
                error: ClientError::Server(error),
                response,
            }),
        }
    }

    /// What the agent has seen happen to a member, and why. Agents of HashiCorp do not know this
    /// command; they answer [`UNSUPPORTED_COMMAND`](msg::error::UNSUPPORTED_COMMAND) and close the
    /// connection.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn why(&self, node: &str) -> Result<msg::WhyResponse, ClientError> {
        let request = msg::WhyRequest {
            node: node.to_owned(),
        };
        let body = self
            .call(command::WHY, Some(&request), Body::OnSuccess)
            .await?;
        Ok(msg::WhyResponse::decode(body)?)
    }

    /// Subscribes to the agent's log: recent lines at or above the level, then new ones, each as
    /// a [`msg::LogRecord`].
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn monitor(&self, level: &str) -> Result<Subscription, ClientError> {
        let request = msg::MonitorRequest {
            log_level: level.to_owned(),
        };
        self.begin(command::MONITOR, &request, SUBSCRIPTION_CAPACITY)
            .await
    }

    /// Subscribes to events by a comma-separated list of filters, such as `member-join,user`.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn stream(&self, filter: &str) -> Result<Subscription, ClientError> {
        let request = msg::StreamRequest {
            filter: filter.to_owned(),
        };
        self.begin(command::STREAM, &request, SUBSCRIPTION_CAPACITY)
            .await
    }

    /// Ends the subscription of this handle. Succeeds also when there is none.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn stop(&self, handle: u64) -> Result<(), ClientError> {
        let request = msg::StopRequest { stop: handle };
        self.call(command::STOP, Some(&request), Body::Never)
            .await?;
        // Only now: until the agent has answered, records of it can still arrive.
        if let Some(waiting) = self.waiting.lock().expect("never poisoned").as_mut() {
            waiting.remove(&handle);
        }
        Ok(())
    }
}
