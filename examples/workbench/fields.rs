//! The fields of a form, urlencoded or multipart.

use std::collections::HashMap;

use actix_multipart::Multipart;
use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    error::{Error, ErrorBadRequest},
    web::Form,
};
use futures_util::{StreamExt, TryStreamExt, future::LocalBoxFuture};

/// The last field of a name, as Django's `request.POST[name]`. `None` without a form.
pub(crate) struct Fields(HashMap<String, String>);

impl Fields {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A field that has to be an integer; otherwise a 400.
    pub(crate) fn integer(&self, name: &str) -> Result<i64, Error> {
        let text = self.get(name).unwrap_or_default();
        text.parse().map_err(|_| ErrorBadRequest(format!("{name} is no integer")))
    }
}

impl FromRequest for Fields {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, mut payload) = (req.clone(), payload.take());
        Box::pin(async move {
            Ok(Self(match req.content_type().to_ascii_lowercase().as_str() {
                "multipart/form-data" => {
                    multipart(Multipart::from_request(&req, &mut payload).await?).await?
                }
                "application/x-www-form-urlencoded" => {
                    let form = Form::<Vec<(String, String)>>::from_request(&req, &mut payload);
                    form.await?.into_inner().into_iter().collect()
                }
                _ => HashMap::new(),
            }))
        })
    }
}

async fn multipart(mut form: Multipart) -> Result<HashMap<String, String>, Error> {
    let mut fields = HashMap::new();
    while let Some(mut field) = form.try_next().await? {
        let disposition = field.content_disposition().cloned();
        let is_file = disposition.as_ref().is_some_and(|it| it.get_filename().is_some());
        let name = disposition.and_then(|it| it.get_name().map(str::to_owned));
        let mut value = Vec::new();
        while let Some(piece) = field.next().await {
            let piece = piece?;
            if !is_file {
                value.extend_from_slice(&piece);
            }
        }
        if let (Some(name), false) = (name, is_file) {
            fields.insert(name, String::from_utf8_lossy(&value).into_owned());
        }
    }
    Ok(fields)
}
