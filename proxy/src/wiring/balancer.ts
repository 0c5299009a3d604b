import { Fault } from '@ostler/contract/fault.ts'
import { affinity } from '../balance/affinity.ts'
import { leastLoaded, type LoadBalancer } from '../balance/balancer.ts'
import { loadSiteBalancer } from '../balance/site-balancer.ts'
import { weighted } from '../balance/weighted.ts'
import type { NodeValues } from './node-config.ts'

/** What chooses the nodes of desktops, as the configuration has it. @throws Fault `config.invalid`. */
export async function openBalancer(config: NodeValues): Promise<LoadBalancer> {
  switch (config['l7r.loadbalancer.plugin']) {
    case 'least-loaded':
      return leastLoaded
    case 'default':
      return weighted({
        ram: config['l7r.loadbalancer.plugin.default.weight.ram'],
        cpu: config['l7r.loadbalancer.plugin.default.weight.cpu'],
        random: config['l7r.loadbalancer.plugin.default.weight.random'],
      })
    case 'affinity':
      return affinity(leastLoaded)
    case 'site': {
      const file = config['path.hkd.balancer']
      if (file === undefined)
        throw new Fault('config.invalid', {
          problems: 'l7r.loadbalancer.plugin = site needs path.hkd.balancer',
        })
      return await loadSiteBalancer(file)
    }
  }
}
