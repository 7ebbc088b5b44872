import { ThroughlineError } from '../../errors/index.js'
import type { AllocationRequest, TcpAllocation } from './types.js'

export async function allocateTcp(_request: AllocationRequest): Promise<TcpAllocation> {
  throw new ThroughlineError('ERR_INTERNAL', 'placeholder until branch turn is merged')
}
