import copy

import torch

from train.pretrain.optimizer import MuonAdamW


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Embedding(7, 8), torch.nn.Linear(8, 8, bias=False))


def optimizer_of(net):
    return MuonAdamW(net, net[1], 0.01, 0.1)


def train(net, optimizer, steps):
    for step in range(steps):
        net(torch.tensor([step % 7, 3])).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_every_weight_has_one_optimizer_and_moves():
    net = model()
    before = copy.deepcopy(net.state_dict())
    optimizer = optimizer_of(net)
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in net.parameters())
    train(net, optimizer, 2)
    assert all((net.state_dict()[name] != value).any() for name, value in before.items())


def test_a_resumed_run_goes_on_as_an_undisturbed_one():
    whole, cut = model(), model()
    train(whole, optimizer_of(whole), 4)
    first = optimizer_of(cut)
    train(cut, first, 2)
    second = optimizer_of(cut)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for step in (2, 3):
        cut(torch.tensor([step % 7, 3])).square().sum().backward()
        second.step()
        second.zero_grad()
    for one, other in zip(whole.parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_scheduler_moves_the_rate_of_both_parts_after_loading():
    net = model()
    optimizer = optimizer_of(net)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    scheduler.step()
    before = copy.deepcopy(net.state_dict())
    train(net, optimizer, 1)
    assert all((net.state_dict()[name] == value).all() for name, value in before.items())
