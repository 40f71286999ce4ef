//! The calls about who may do what: signing in, users, tokens, projects.

use domain::Page;
use domain::access::{
    AuthOptions, Login, Me, PasswordChange, Project, ProjectDraft, RecoveryCodes, Session, Setup, SetupLink, Token,
    TokenCreate, TokenCreated, TwoFactor, User, UserCreate, UserCreated, UserPatch,
};
use reqwest::Method;
use serde::Serialize;
use uuid::Uuid;

use crate::requests::Empty;
use crate::{Client, ClientError, ListQuery};

#[derive(Serialize)]
struct Code<'a> {
    code: &'a str,
}

#[derive(Serialize)]
struct Password<'a> {
    password: &'a str,
}

impl Client {
    /// How one can sign in, and what the service warns of; needs no credentials.
    pub async fn auth_options(&self) -> Result<AuthOptions, ClientError> {
        self.get("/auth/options", &Empty {}).await
    }

    /// Signs in; the answer's cookie is the session.
    pub async fn auth_login(&self, body: &Login) -> Result<Me, ClientError> {
        self.send(Method::POST, "/auth/login", body).await
    }

    pub async fn auth_logout(&self) -> Result<(), ClientError> {
        self.send_without_answer(self.request(Method::POST, "/auth/logout")).await
    }

    /// Who the credentials belong to, and what they allow.
    pub async fn auth_me(&self) -> Result<Me, ClientError> {
        self.get("/auth/me", &Empty {}).await
    }

    /// Sets a password by a one-time link and signs in.
    pub async fn auth_setup(&self, body: &Setup) -> Result<Me, ClientError> {
        self.send(Method::POST, "/auth/setup", body).await
    }

    /// Changes one's own password; all other sessions end.
    pub async fn auth_password(&self, body: &PasswordChange) -> Result<(), ClientError> {
        self.send_without_answer(self.request(Method::POST, "/auth/password").json(body)).await
    }

    pub async fn auth_session_list(&self) -> Result<Page<Session>, ClientError> {
        self.get("/auth/sessions", &Empty {}).await
    }

    pub async fn auth_session_delete(&self, id: Uuid) -> Result<(), ClientError> {
        self.send_without_answer(self.request(Method::DELETE, &format!("/auth/sessions/{id}"))).await
    }

    /// Begins to set up a second factor; it is on once a code of it is confirmed.
    pub async fn auth_two_factor(&self) -> Result<TwoFactor, ClientError> {
        self.send(Method::POST, "/auth/two-factor", &Empty {}).await
    }

    pub async fn auth_two_factor_confirm(&self, code: &str) -> Result<RecoveryCodes, ClientError> {
        self.send(Method::POST, "/auth/two-factor/confirm", &Code { code }).await
    }

    pub async fn auth_two_factor_disable(&self, password: &str) -> Result<(), ClientError> {
        let body = Password { password };
        self.send_without_answer(self.request(Method::POST, "/auth/two-factor/disable").json(&body)).await
    }

    pub async fn user_list(&self, query: &ListQuery) -> Result<Page<User>, ClientError> {
        self.get("/users", query).await
    }

    pub async fn user_create(&self, body: &UserCreate) -> Result<UserCreated, ClientError> {
        self.send(Method::POST, "/users", body).await
    }

    pub async fn user_get(&self, id: Uuid) -> Result<User, ClientError> {
        self.get(&format!("/users/{id}"), &Empty {}).await
    }

    pub async fn user_patch(&self, id: Uuid, body: &UserPatch) -> Result<User, ClientError> {
        self.send(Method::PATCH, &format!("/users/{id}"), body).await
    }

    pub async fn user_delete(&self, id: Uuid) -> Result<(), ClientError> {
        self.send_without_answer(self.request(Method::DELETE, &format!("/users/{id}"))).await
    }

    /// A new one-time link with which the user sets a password.
    pub async fn user_setup_link(&self, id: Uuid) -> Result<SetupLink, ClientError> {
        self.send(Method::POST, &format!("/users/{id}/setup-link"), &Empty {}).await
    }

    pub async fn project_list(&self, query: &ListQuery) -> Result<Page<Project>, ClientError> {
        self.get("/projects", query).await
    }

    pub async fn project_create(&self, body: &ProjectDraft) -> Result<Project, ClientError> {
        self.send(Method::POST, "/projects", body).await
    }

    pub async fn project_get(&self, id: Uuid) -> Result<Project, ClientError> {
        self.get(&format!("/projects/{id}"), &Empty {}).await
    }

    pub async fn project_patch(&self, id: Uuid, body: &ProjectDraft) -> Result<Project, ClientError> {
        self.send(Method::PATCH, &format!("/projects/{id}"), body).await
    }

    pub async fn project_delete(&self, id: Uuid) -> Result<(), ClientError> {
        self.send_without_answer(self.request(Method::DELETE, &format!("/projects/{id}"))).await
    }

    pub async fn token_list(&self, query: &ListQuery) -> Result<Page<Token>, ClientError> {
        self.get("/tokens", query).await
    }

    /// The answer holds the secret, once.
    pub async fn token_create(&self, body: &TokenCreate) -> Result<TokenCreated, ClientError> {
        self.send(Method::POST, "/tokens", body).await
    }

    pub async fn token_delete(&self, id: Uuid) -> Result<(), ClientError> {
        self.send_without_answer(self.request(Method::DELETE, &format!("/tokens/{id}"))).await
    }
}
