//! The state of a stream: the page's table, kept by both sides.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    Open,
    Answered,
    HalfClosed,
    HalfClosedAnswered,
    Closed,
}

#[derive(Clone, Copy, Debug)]
pub enum Event {
    ClientMessage,
    ClientEnd,
    ServerHeaders,
    ServerMessage,
    ServerStatus,
    Reset,
}

impl State {
    /// The next state; none if the event must not happen in this one.
    pub fn after(self, event: Event) -> Option<State> {
        match (self, event) {
            (State::Closed, _) => None,
            (_, Event::ServerStatus | Event::Reset) => Some(State::Closed),
            (State::Open | State::Answered, Event::ClientMessage) => Some(self),
            (State::Open, Event::ClientEnd) => Some(State::HalfClosed),
            (State::Answered, Event::ClientEnd) => Some(State::HalfClosedAnswered),
            (State::Open, Event::ServerHeaders | Event::ServerMessage) => Some(State::Answered),
            (State::HalfClosed, Event::ServerHeaders | Event::ServerMessage) => Some(State::HalfClosedAnswered),
            (State::Answered | State::HalfClosedAnswered, Event::ServerMessage) => Some(self),
            _ => None,
        }
    }

    pub fn has_client_ended(self) -> bool {
        matches!(self, State::HalfClosed | State::HalfClosedAnswered | State::Closed)
    }
}
