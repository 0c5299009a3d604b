import type { Logform } from 'winston'
import Transport from 'winston-transport'
import { complain } from './complain.ts'
import type { LineLevel } from './level.ts'
import { lineOf } from './line.ts'
import type { LogSink } from './sink.ts'

/** Carries winston's lines to a sink, one by one and at once, so that winston never has a queue of its own. */
export class SinkTransport extends Transport {
  readonly #sink: LogSink

  constructor(sink: LogSink) {
    super()
    this.#sink = sink
  }

  override log(info: Logform.TransformableInfo, next: () => void): void {
    try {
      this.#sink.write(lineOf(info), info.level as LineLevel)
    } catch (error) {
      // A sink does not throw; if it does, whoever logs must not pay for it.
      complain(`log line lost: ${String(error)}`)
    }
    next()
  }

  override _final(done: () => void): void {
    void this.#sink.close().then(done)
  }
}
