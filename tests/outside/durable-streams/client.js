// The official client. `client.js follow URL LIVE` prints each text that comes, as JSON, and goes on after an error where
// it was; `client.js write URL TEXT…` creates a stream and appends each text as a producer that repeats nothing.
// tests/outside/durable_client.rs runs it.
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client"

const [what, url, ...rest] = process.argv.slice(2)

async function follow(live) {
  let offset = "-1"
  for (;;) {
    try {
      const response = await stream({ url, offset, live })
      response.subscribeText((chunk) => {
        if (chunk.text) console.log(JSON.stringify(chunk.text))
        offset = chunk.offset
      })
      await response.closed
      if (response.streamClosed) return
    } catch (error) {
      console.error(String(error))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function write(texts) {
  const handle = await DurableStream.create({ url, contentType: "text/plain" })
  const producer = new IdempotentProducer(handle, "client", { autoClaim: true })
  texts.forEach((text) => producer.append(text))
  await producer.flush()
  await producer.close()
}

await (what === "follow" ? follow(rest[0]) : write(rest))
