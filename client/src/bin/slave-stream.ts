#!/usr/bin/env node
import { carryStandardStream } from '@ostler/kit/carry-standard-stream.ts'

// nxproxy starts this for each stream of the desktop, and gives nothing but the stream.
void carryStandardStream(process.env['OSTLER_SLAVE_SOCKET'] ?? '').then((code) => {
  process.exitCode = code
})
