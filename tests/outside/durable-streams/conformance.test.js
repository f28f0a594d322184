// The official suite against the server at CHATROOM_URL. tests/outside/durable_streams.rs runs it.
import { runConformanceTests } from "@durable-streams/server-conformance-tests"

runConformanceTests({ baseUrl: process.env.CHATROOM_URL, subscriptions: true })
