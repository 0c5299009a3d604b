import { test } from 'vitest'
import { followGuide } from './office.ts'

test('who types the guide to its end has the next version of her desktop, too', () =>
  followGuide('next version'))
