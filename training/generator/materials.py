# SPDX-License-Identifier: CC0-1.0
"""Shader nodes, fog and the materials made of them."""

import bpy
import numpy as np

from training.generator.stage import image_from


class Nodes:
    """Tiny helper: n('ShaderNodeMath', operation='ADD', in0=x, in1=2.0) -> output socket."""

    def __init__(self, tree):
        self.t = tree

    def node(self, kind, **kw):
        n = self.t.nodes.new(kind)
        for k, v in kw.items():
            if k.startswith("in") and k[2:].isdigit():
                self.put(n.inputs[int(k[2:])], v)
            elif k.startswith("s_"):
                self.put(n.inputs[k[2:].replace("_", " ")], v)
            else:
                setattr(n, k, v)
        return n

    def put(self, socket, v):
        if isinstance(v, bpy.types.NodeSocket):
            self.t.links.new(v, socket)
        elif isinstance(v, (tuple, list, np.ndarray)):
            v = list(map(float, v))
            socket.default_value = [*v, 1.0] if len(v) == 3 and socket.type == "RGBA" else v
        else:
            socket.default_value = v

    def __call__(self, kind, **kw):
        return self.node(kind, **kw).outputs[0]

    def math(self, op, a, b=0.0, clamp=False):
        return self("ShaderNodeMath", operation=op, in0=a, in1=b, use_clamp=clamp)

    def mix(self, f, a, b):
        n = self.node("ShaderNodeMix", data_type="RGBA")
        self.put(n.inputs[0], f)
        self.put(n.inputs[6], a)
        self.put(n.inputs[7], b)
        return n.outputs[2]

    def attr(self, name, out=0):
        return self.node("ShaderNodeAttribute", attribute_name=name).outputs[out]


class Fog:
    """Distance haze toward the horizon colour of the panorama, as a material layer."""

    def __init__(self, pano=None, length=8000.0, maximum=0.97, colour=None):
        self.length, self.maximum, self.colour = length, maximum, colour
        self.ambient = None  # stands in for light bounced between surfaces
        self.image = image_from(pano, "haze") if pano is not None else None

    def apply(self, n, shader):
        lp = n.node("ShaderNodeLightPath")
        f = n.math("MULTIPLY", lp.outputs["Ray Length"], -1.0 / self.length)
        f = n.math("SUBTRACT", 1.0, n.math("EXPONENT", f))
        f = n.math("MULTIPLY", f, self.maximum)
        f = n.math("MULTIPLY", f, n.math("SUBTRACT", 1.0, lp.outputs["Is Diffuse Ray"]))
        em = n.node("ShaderNodeEmission")
        if self.image is not None:
            geo = n.node("ShaderNodeNewGeometry")
            d = n.node("ShaderNodeVectorMath", operation="SCALE")
            n.put(d.inputs[0], geo.outputs["Incoming"])
            d.inputs["Scale"].default_value = -1.0
            env = n.node("ShaderNodeTexEnvironment", image=self.image)
            n.put(env.inputs[0], d.outputs[0])
            n.put(em.inputs[0], env.outputs[0])
        else:
            n.put(em.inputs[0], self.colour)
        return n("ShaderNodeMixShader", in0=f, in1=shader, in2=em.outputs[0])


def material(name, build, fog=None):
    m = bpy.data.materials.new(name)
    m.use_nodes = True
    m.node_tree.nodes.clear()
    n = Nodes(m.node_tree)
    sh = build(n)
    if fog is not None:
        sh = fog.apply(n, sh)
    out = n.node("ShaderNodeOutputMaterial")
    n.put(out.inputs[0], sh)
    m.cycles.emission_sampling = "NONE"
    return m


def mat_colour(name, fog, colour=None, detail=None, rough=1.0, emission=None, vary=0.0, gloss=0.0):
    """Diffuse surface from a colour or the Col attribute, with optional noise detail."""

    def build(n):
        c = n.attr("Col") if colour is None else None
        if c is None:
            c = n("ShaderNodeRGB")
            c.default_value = [*list(colour), 1.0]
        if vary:
            r = n.node("ShaderNodeObjectInfo").outputs["Random"]
            k = n.math("ADD", 1.0 - vary, n.math("MULTIPLY", r, 2 * vary))
            c = n.node("ShaderNodeVectorMath", operation="MULTIPLY", in0=c, in1=k).outputs[0]
        kw = {}
        if detail:
            geo = n.node("ShaderNodeNewGeometry")
            tex = n.node("ShaderNodeTexNoise", noise_dimensions="3D")
            n.put(tex.inputs["Vector"], geo.outputs["Position"])
            tex.inputs["Scale"].default_value = detail[0]
            tex.inputs["Detail"].default_value = 5.0
            k = n.math("ADD", 1.0 - 0.5 * detail[1], n.math("MULTIPLY", tex.outputs[0], detail[1]))
            c = n.node("ShaderNodeVectorMath", operation="MULTIPLY", in0=c, in1=k).outputs[0]
            if len(detail) > 2:
                b = n.node("ShaderNodeBump")
                b.inputs["Strength"].default_value = detail[2]
                b.inputs["Distance"].default_value = 0.3 / detail[0]
                n.put(b.inputs["Height"], tex.outputs[0])
                kw["s_Normal"] = b.outputs[0]
        sh = n("ShaderNodeBsdfDiffuse", s_Color=c, **kw)
        if fog is not None and fog.ambient is not None:
            e = n.node("ShaderNodeVectorMath", operation="MULTIPLY", in0=c, in1=tuple(fog.ambient)).outputs[0]
            sh = n("ShaderNodeAddShader", in0=sh, in1=n("ShaderNodeEmission", s_Color=e))
        if gloss:
            sh = n(
                "ShaderNodeMixShader",
                in0=gloss,
                in1=sh,
                in2=n("ShaderNodeBsdfGlossy", s_Roughness=rough, **kw),
            )
        if emission is not None:
            e = n("ShaderNodeEmission", s_Color=emission, s_Strength=n.attr("Emit", 2))
            sh = n("ShaderNodeAddShader", in0=sh, in1=e)
        return sh

    return material(name, build, fog)


def mat_emit(name, colour, strength=1.0):
    return material(name, lambda n: n("ShaderNodeEmission", s_Color=colour, s_Strength=strength))


def mat_water(name, fog, bump=0.25, scale=0.8, deep=(0.01, 0.04, 0.06), rough=0.04, use_col=False, dist=60.0):
    """Fresnel mix of sky reflection and body colour; ripples calm down with distance."""

    def build(n):
        geo = n.node("ShaderNodeNewGeometry")
        ray = n.node("ShaderNodeLightPath").outputs["Ray Length"]
        near = n.math("DIVIDE", dist, n.math("ADD", ray, dist))
        tex = n.node("ShaderNodeTexNoise", noise_dimensions="3D")
        mp = n.node(
            "ShaderNodeVectorMath", operation="MULTIPLY", in0=geo.outputs["Position"], in1=(1.0, 1.7, 1.0)
        )
        n.put(tex.inputs["Vector"], mp.outputs[0])
        tex.inputs["Scale"].default_value = scale
        tex.inputs["Detail"].default_value = 4.0
        b = n.node("ShaderNodeBump")
        n.put(b.inputs["Strength"], n.math("MULTIPLY", near, bump))
        b.inputs["Distance"].default_value = 0.4 / scale
        n.put(b.inputs["Height"], tex.outputs[0])
        fr = n.node("ShaderNodeFresnel")
        fr.inputs[0].default_value = 1.33
        n.put(fr.inputs[1], b.outputs[0])
        r = n.math(
            "ADD", rough, n.math("MULTIPLY", n.math("SUBTRACT", 1.0, near), 0.16 if bump > 0.1 else 0.03)
        )
        gl = n("ShaderNodeBsdfGlossy", s_Roughness=r, s_Normal=b.outputs[0])
        di = n("ShaderNodeBsdfDiffuse", s_Color=n.attr("Col") if use_col else deep)
        f = n.math("MULTIPLY", fr.outputs[0], 0.9)
        return n("ShaderNodeMixShader", in0=f, in1=di, in2=gl)

    return material(name, build, fog)
