//! What a service is in production: started, asked for its health, deployed anew, told to end.

mod health;
mod shutdown;
