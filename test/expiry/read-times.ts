import { Fault } from '@ostler/contract/fault.ts'
import { parseAtTime } from '@ostler/proxy/model/at-time.ts'
import { createInterface } from 'node:readline'

const now = new Date(process.argv[2] ?? '')

/** Reads a time per line as at that local moment, and prints its milliseconds, `refused` or `past`. */
for await (const line of createInterface(process.stdin)) console.log(read(line))

function read(words: string): string {
  try {
    return String(parseAtTime(words, now).getTime())
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'time.invalid') throw error
    return String(error.detail['reason']).startsWith('that has gone by') ? 'past' : 'refused'
  }
}
