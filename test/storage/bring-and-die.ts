import { bringImage, type BringStep } from '../../proxy/src/hypervisor/storage/bring-image.ts'

/** Run by `bring.test.ts`: brings an image as hkd does, and is killed at a step, or half-way through the copy. */
const [, , staging = '', images = '', at = ''] = process.argv
const die = (): void => void process.kill(process.pid, 'SIGKILL')

await bringImage(
  { staging, images },
  { id: 7, name: 'office', kind: 'tarball', path: 'office.tar', sha256: null },
  {
    reserveBytes: 0,
    onBytes: (done, total) => {
      if (at === 'half' && done >= total / 2) die()
    },
    onStep: (step: BringStep) => {
      if (step === at) die()
    },
  },
)
