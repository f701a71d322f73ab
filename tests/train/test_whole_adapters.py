import pytest
import torch
import torch.distributed as dist
from peft import LoraConfig, PeftModel, get_peft_model
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from sample.engines.loading import load_model
from train.weights import save_adapter, whole_weights


@pytest.fixture
def mesh(tmp_path):
    dist.init_process_group("gloo", f"file://{tmp_path}/store", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def test_an_adapter_that_fsdp_has_spread_is_saved_whole(model_folder, mesh, tmp_path):
    torch.manual_seed(0)
    lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(load_model(str(model_folder)), lora)
    tokens = torch.tensor([[2, 5, 6, 7, 3]])
    with torch.no_grad():
        before = model(tokens).logits
    whole = {name: weight.clone() for name, weight in whole_weights(model).items()}
    for layer in model.get_base_model().model.layers:
        fully_shard(layer, mesh=mesh)
    spread = [weight for weight in model.parameters() if isinstance(weight, DTensor)]
    assert spread and {weight.requires_grad for weight in spread} == {True, False}
    gathered = whole_weights(model)
    assert gathered.keys() == whole.keys() and all("lora_" in name for name in whole)
    assert all(torch.equal(gathered[name], whole[name]) for name in whole)
    save_adapter(model, gathered, tmp_path / "adapter")
    fresh = PeftModel.from_pretrained(load_model(str(model_folder)), str(tmp_path / "adapter"))
    with torch.no_grad():
        assert torch.allclose(fresh.eval()(tokens).logits, before, atol=1e-5)
