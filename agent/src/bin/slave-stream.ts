import { carryStandardStream } from '@ostler/kit/carry-standard-stream.ts'

// nxagent starts this for each stream of the client, and gives nothing but the stream.
void carryStandardStream(process.env['OSTLER_SLAVE_SOCKET'] ?? '').then((code) => {
  process.exitCode = code
})
