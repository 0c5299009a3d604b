import { test } from 'vitest'
import { followGuide } from './office.ts'

/** A whole system is fetched and made, on a machine that may have other work. */
const GUIDE_MS = 1_800_000

test(
  'who types the guide has a desktop of her own making, in the browser and in the native client',
  () => followGuide('desktop'),
  GUIDE_MS,
)
