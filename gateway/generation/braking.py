"""The operator's brakes, as this worker knows them: models that are off, and the budget of the whole gateway."""

from gateway.catalog import Model
from gateway.errors import Forbidden, QuotaSpent
from gateway.store.brakes import Brakes, BrakeState, Lookup
from gateway.store.connection import redis_needed


class Braking:
    """Follows what is set within a second. While no budget is set, it costs no round trip.

    `cost_of` tells what a team's generation has cost, for reservations whose worker is gone.
    """

    def __init__(self, brakes: Brakes, cost_of: Lookup) -> None:
        self._brakes = brakes
        self._cost_of = cost_of
        self._state = BrakeState(None, {})
        self._is_read = False

    async def refresh(self) -> None:
        """Read what is set. Raises RedisTrouble."""
        self._state = await self._brakes.read()
        self._is_read = True

    async def learn(self) -> None:
        """Read what is set, if this worker is so young that it never has. Raises Unavailable."""
        if not self._is_read:
            with redis_needed():
                await self.refresh()

    async def heal(self) -> None:
        """Settle reservations of generations that have ended without telling. Raises RedisTrouble."""
        if self._state.budget is not None:
            await self._brakes.heal(self._cost_of)

    def check(self, model: Model) -> None:
        """Refuse to buy from a model that is off.

        Raises:
            Forbidden: the operator has switched it off.

        """
        reason = self._state.off.get(model.id)
        if reason is not None:
            because = f": {reason}" if reason else ""
            raise Forbidden(
                f"The operator has switched the model '{model.id}' off{because}. Use another model.",
                code="model_switched_off",
                param="model",
            )

    @property
    def has_budget(self) -> bool:
        """Whether generations count against a budget of the gateway."""
        return self._state.budget is not None

    async def reserve(self, generation_id: str, team: str, model: Model, estimate: int | None) -> None:
        """Reserve what a generation may cost, in micro-dollars, out of the gateway's budget.

        Raises:
            Forbidden: the model has no price that could count against it.
            QuotaSpent: it does not allow this.
            Unavailable: the store does not answer.

        """
        if not self.has_budget:
            return
        if estimate is None:
            raise Forbidden(
                f"The model '{model.id}' has no price here, so it cannot be used under a budget.",
                code="model_not_priced",
                param="model",
            )
        with redis_needed():
            if not await self._brakes.reserve(generation_id, team, estimate):
                raise QuotaSpent(
                    "The budget of this gateway for the month is used up. Ask its operator; the month ends at midnight "
                    "UTC of its last day."
                )

    async def settle(self, generation_id: str, cost: int) -> None:
        """Book what a generation has cost in all, in micro-dollars. Raises RedisTrouble."""
        if self.has_budget:
            await self._brakes.settle(generation_id, cost)
